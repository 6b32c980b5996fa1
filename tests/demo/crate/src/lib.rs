//! A small full-text index: documents go in, ranked answers come out.
//!
//! ```text
//! text --token--> terms --index--> postings --query--> document ids --rank--> hits --snippet--> text
//! ```

pub mod error;
pub mod index;
pub mod query;
pub mod rank;
pub mod snippet;
pub mod store;
pub mod token;

pub use error::Error;
pub use index::{Index, Posting};
pub use query::Query;
pub use rank::Hit;
pub use store::{DocId, Document, Store};

/// A store and its index, kept in step.
#[derive(Debug, Default)]
pub struct Shelf {
    store: Store,
    index: Index,
}

impl Shelf {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a document; a title that is there already is replaced.
    pub fn add(&mut self, title: &str, body: &str) -> Result<DocId, Error> {
        if let Some(old) = self.store.find(title) {
            self.index.remove(old);
            self.store.remove(old);
        }
        let id = self.store.add(title, body)?;
        self.index.add(id, body);
        Ok(id)
    }

    pub fn remove(&mut self, title: &str) -> Result<(), Error> {
        let id = self
            .store
            .find(title)
            .ok_or_else(|| Error::NotFound(title.to_string()))?;
        self.index.remove(id);
        self.store.remove(id);
        Ok(())
    }

    /// The best `limit` documents for a query such as `"borrow -lifetime"`.
    pub fn search(&self, text: &str, limit: usize) -> Result<Vec<Hit<'_>>, Error> {
        let query = Query::parse(text)?;
        let found = query.run(&self.index);
        let mut hits = rank::rank(&self.store, &self.index, &query, &found);
        hits.truncate(limit);
        Ok(hits)
    }

    pub fn len(&self) -> usize {
        self.store.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
