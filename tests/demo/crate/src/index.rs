//! Term to documents, with how often each term stands in each.

use std::collections::BTreeMap;

use crate::store::DocId;
use crate::token;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    pub id: DocId,
    pub count: u32,
}

/// Postings of a term are sorted by document.
#[derive(Debug, Default)]
pub struct Index {
    postings: BTreeMap<String, Vec<Posting>>,
    lengths: BTreeMap<DocId, u32>,
}

impl Index {
    pub fn add(&mut self, id: DocId, body: &str) {
        let mut length = 0;
        for term in token::terms(body) {
            length += 1;
            let list = self.postings.entry(term).or_default();
            match list.binary_search_by_key(&id, |p| p.id) {
                Ok(at) => list[at].count += 1,
                Err(at) => list.insert(at, Posting { id, count: 1 }),
            }
        }
        self.lengths.insert(id, length);
    }

    /// Forgets a document, and every term that only it had.
    pub fn remove(&mut self, id: DocId) {
        self.lengths.remove(&id);
        for (term, list) in self.postings.iter_mut() {
            list.retain(|p| p.id != id);
            if list.is_empty() {
                self.postings.remove(term);
            }
        }
    }

    pub fn postings(&self, term: &str) -> &[Posting] {
        self.postings.get(term).map_or(&[], Vec::as_slice)
    }

    pub fn contains(&self, term: &str, id: DocId) -> bool {
        self.postings(term)
            .binary_search_by_key(&id, |p| p.id)
            .is_ok()
    }

    pub fn documents(&self) -> usize {
        self.lengths.len()
    }

    pub fn length(&self, id: DocId) -> u32 {
        self.lengths.get(&id).copied().unwrap_or(0)
    }

    pub fn average_length(&self) -> f64 {
        if self.lengths.len() == 0 {
            return 0.0;
        }
        let sum: u32 = self.lengths.values().sum();
        f64::from(sum) / self.lengths.len() as f64
    }

    pub fn terms(&self) -> impl Iterator<Item = &str> {
        self.postings.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_lengths_leave_stop_words_out() {
        let mut index = Index::default();
        index.add(1, "the cell, the tool and the cell");
        assert_eq!(index.postings("cell"), [Posting { id: 1, count: 2 }]);
        assert_eq!(index.postings("the"), []);
        assert_eq!(index.length(1), 3);
    }

    #[test]
    fn removing_the_only_document_of_a_term_removes_the_term() {
        let mut index = Index::default();
        index.add(1, "shared lonely");
        index.add(2, "shared");
        index.remove(1);
        assert_eq!(index.terms().collect::<Vec<_>>(), ["shared"]);
        assert_eq!(index.documents(), 1);
    }
}
