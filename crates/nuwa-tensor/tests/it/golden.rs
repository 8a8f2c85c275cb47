//! Golden numbers from PyTorch.
