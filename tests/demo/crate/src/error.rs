use std::fmt;

/// Everything that can be wrong with what a caller gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    EmptyTitle,
    EmptyQuery,
    NotFound(String),
    TooLong { bytes: usize, most: usize },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::EmptyTitle => write!(f, "a document needs a title"),
            Error::EmptyQuery => write!(f, "the query has no word to look for"),
            Error::NotFound(title) => write!(f, "no document is called {title:?}"),
            Error::TooLong { bytes, most } => {
                write!(f, "{bytes} bytes are too many; at most {most} are taken")
            }
        }
    }
}

impl std::error::Error for Error {}
