//! BM25, with the usual constants.

use crate::index::Index;
use crate::query::Query;
use crate::snippet;
use crate::store::{DocId, Store};

const SATURATION: f64 = 1.2;
const LENGTH_WEIGHT: f64 = 0.75;

#[derive(Debug, Clone, PartialEq)]
pub struct Hit<'a> {
    pub title: &'a str,
    pub score: f64,
    pub snippet: String,
}

/// How much it says that a document has this term: the rarer, the more.
pub fn weight(index: &Index, term: &str) -> f64 {
    let all = index.documents() as f64;
    let with = index.postings(term).len() as f64;
    ((all - with + 0.5) / (with + 0.5) + 1.0).ln()
}

fn score(index: &Index, query: &Query, id: DocId) -> f64 {
    let relative = f64::from(index.length(id)) / index.average_length();
    let norm = SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * relative);
    let mut sum = 0.0;
    for term in &query.wanted {
        let list = index.postings(term);
        if let Ok(at) = list.binary_search_by_key(&id, |p| p.id) {
            let count = f64::from(list[at].count);
            sum += weight(index, term) * count * (SATURATION + 1.0) / (count + norm);
        }
    }
    sum
}

/// Best first; equal scores by title.
pub fn rank<'a>(store: &'a Store, index: &Index, query: &Query, found: &[DocId]) -> Vec<Hit<'a>> {
    let mut hits: Vec<Hit<'a>> = found
        .iter()
        .filter_map(|id| store.get(*id).map(|d| (*id, d)))
        .map(|(id, document)| Hit {
            title: &document.title,
            score: score(index, query, id),
            snippet: snippet::snippet(&document.body, &query.wanted, snippet::WIDTH),
        })
        .collect();
    hits.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.title.cmp(b.title)));
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_terms_weigh_more() {
        let mut index = Index::default();
        index.add(1, "common rare");
        index.add(2, "common");
        assert!(weight(&index, "rare") > weight(&index, "common"));
        assert!(weight(&index, "common") > 0.0);
    }

    #[test]
    fn best_hit_comes_first() {
        let mut store = Store::default();
        let mut index = Index::default();
        for (title, body) in [
            ("brief", "borrow"),
            ("diluted", "borrow among many other words of another matter"),
            ("dense", "borrow borrow borrow"),
        ] {
            let id = store.add(title, body).unwrap();
            index.add(id, body);
        }
        let query = Query::parse("borrow").unwrap();
        let hits = rank(&store, &index, &query, &query.run(&index));
        let titles: Vec<_> = hits.iter().map(|h| h.title).collect();
        assert_eq!(titles, ["dense", "brief", "diluted"]);
    }
}
