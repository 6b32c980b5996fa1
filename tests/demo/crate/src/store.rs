//! The documents themselves, by number.

use std::collections::BTreeMap;

use crate::error::Error;

pub type DocId = u32;

/// Longest body that is taken.
pub const BODY_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub title: String,
    pub body: String,
}

#[derive(Debug, Default)]
pub struct Store {
    documents: BTreeMap<DocId, Document>,
    next: DocId,
}

impl Store {
    pub fn add(&mut self, title: &str, body: &str) -> Result<DocId, Error> {
        let title = title.trim();
        if title.is_empty() {
            return Err(Error::EmptyTitle);
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(Error::TooLong {
                bytes: body.len(),
                most: BODY_BYTES_MAX,
            });
        }
        let id = self.next;
        self.next += 1;
        let document = Document {
            title: title.to_string(),
            body: body.to_string(),
        };
        self.documents.insert(id, document);
        Ok(id)
    }

    pub fn get(&self, id: DocId) -> Option<&Document> {
        self.documents.get(&id)
    }

    pub fn remove(&mut self, id: DocId) -> Option<Document> {
        self.documents.remove(&id)
    }

    pub fn find(&self, title: &str) -> Option<DocId> {
        let title = title.trim();
        self.documents
            .iter()
            .find(|(_, d)| d.title == title)
            .map(|(id, _)| *id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (DocId, &Document)> {
        self.documents.iter().map(|(id, d)| (*id, d))
    }

    pub fn len(&self) -> usize {
        self.documents.len()
    }

    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_never_used_again() {
        let mut store = Store::default();
        let first = store.add("a", "x").unwrap();
        store.remove(first);
        assert_ne!(store.add("a", "x").unwrap(), first);
    }

    #[test]
    fn title_is_required_and_body_is_bounded() {
        let mut store = Store::default();
        assert_eq!(store.add("  ", "x"), Err(Error::EmptyTitle));
        let big = "x".repeat(BODY_BYTES_MAX + 1);
        assert!(matches!(store.add("t", &big), Err(Error::TooLong { .. })));
        assert!(store.is_empty());
    }
}
