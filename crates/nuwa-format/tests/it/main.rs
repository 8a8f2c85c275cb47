//! Model folders against golden numbers from transformers, llama2.c's known text, and damaged files.
