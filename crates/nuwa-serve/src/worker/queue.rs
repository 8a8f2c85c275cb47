use std::collections::VecDeque;
use std::net::IpAddr;

/// Who sends requests: the holder of a key, or a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Of several keys this one.
    Key(usize),
    /// Where there are no keys.
    Machine(IpAddr),
}

/// What waits, by client: each client in turn gives its oldest. So whoever sends a thousand requests keeps nobody waiting but
/// themselves.
#[derive(Debug)]
pub struct FairQueue<T> {
    clients: VecDeque<(Client, VecDeque<T>)>,
    length: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { clients: VecDeque::new(), length: 0 }
    }
}

impl<T> FairQueue<T> {
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn push(&mut self, client: Client, item: T) {
        self.length += 1;
        match self.clients.iter_mut().find(|(own, _)| *own == client) {
            Some((_, items)) => items.push_back(item),
            None => self.clients.push_back((client, VecDeque::from([item]))),
        }
    }

    pub fn pop(&mut self) -> Option<T> {
        let (client, mut items) = self.clients.pop_front()?;
        let item = items.pop_front();
        if !items.is_empty() {
            self.clients.push_back((client, items));
        }
        self.length -= usize::from(item.is_some());
        item
    }

    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.clients.iter_mut().for_each(|(_, items)| items.retain(&keep));
        self.clients.retain(|(_, items)| !items.is_empty());
        self.length = self.clients.iter().map(|(_, items)| items.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_take_turns() {
        let mut queue = FairQueue::default();
        (0..4).for_each(|n| queue.push(Client::Key(0), n));
        (10..12).for_each(|n| queue.push(Client::Key(1), n));
        queue.push(Client::Machine(IpAddr::from([127, 0, 0, 1])), 20);
        assert_eq!(queue.len(), 7);
        queue.retain(|n| *n != 1);
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [0, 10, 20, 2, 11, 3]);
        assert_eq!((queue.len(), queue.pop()), (0, None));
    }
}
