//! `word word -word`: all of the first kind, none of the second.

use std::cmp::Ordering;

use crate::error::Error;
use crate::index::{Index, Posting};
use crate::store::DocId;
use crate::token;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub wanted: Vec<String>,
    pub unwanted: Vec<String>,
}

impl Query {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut query = Query { wanted: Vec::new(), unwanted: Vec::new() };
        for word in text.split_whitespace() {
            match word.strip_prefix('-') {
                Some(rest) => query.unwanted.extend(token::terms(rest)),
                None => query.wanted.extend(token::terms(word)),
            }
        }
        if query.wanted.is_empty() {
            return Err(Error::EmptyQuery);
        }
        Ok(query)
    }

    /// Documents that match, in ascending order.
    pub fn run(&self, index: &Index) -> Vec<DocId> {
        let mut lists: Vec<&[Posting]> = self.wanted.iter().map(|t| index.postings(t)).collect();
        lists.sort_by_key(|l| l.len());
        let mut found: Vec<DocId> = lists[0].iter().map(|p| p.id).collect();
        for list in &lists[1..] {
            found = intersect(&found, list);
        }
        found.retain(|id| !self.unwanted.iter().any(|t| index.contains(t, *id)));
        found
    }
}

/// What stands in both; both are sorted.
fn intersect(ids: &[DocId], list: &[Posting]) -> Vec<DocId> {
    let mut both = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < ids.len() && j < list.len() {
        match ids[i].cmp(&list[j].id) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => {
                both.push(ids[i]);
                i += 1;
                j += 1;
            }
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        index.add(1, "borrow checker");
        index.add(2, "borrow lifetime");
        index.add(3, "lifetime elision, borrow checker");
        index
    }

    #[test]
    fn all_wanted_words_must_be_there() {
        let query = Query::parse("borrow checker").unwrap();
        assert_eq!(query.run(&index()), [1, 3]);
    }

    #[test]
    fn unwanted_words_exclude() {
        let query = Query::parse("borrow -lifetime").unwrap();
        assert_eq!(query.run(&index()), [1]);
    }

    #[test]
    fn query_of_stop_words_only_is_refused() {
        assert_eq!(Query::parse("the -of"), Err(Error::EmptyQuery));
    }
}
