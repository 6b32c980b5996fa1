//! Text to terms: lower case, letters and digits only, with where each word began.

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub term: String,
    /// Byte offset of the word in its text.
    pub start: usize,
    /// Byte offset behind the word.
    pub end: usize,
}

const STOP_WORDS: [&str; 8] = ["a", "an", "and", "is", "of", "or", "the", "to"];

/// Whether a term is too common to be worth an entry.
pub fn is_stop_word(term: &str) -> bool {
    STOP_WORDS.binary_search(&term).is_ok()
}

/// All words of a text, stop words included.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (c.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                found.push(token(text, from, at));
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        found.push(token(text, from, text.len()));
    }
    found
}

fn token(text: &str, start: usize, end: usize) -> Token {
    Token {
        term: text[start..end].to_lowercase(),
        start,
        end,
    }
}

/// The terms of a text that are worth an entry.
pub fn terms(text: &str) -> impl Iterator<Item = String> {
    tokens(text)
        .into_iter()
        .map(|t| t.term)
        .filter(|t| !is_stop_word(t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_and_know_their_place() {
        let found = tokens("The Borrow-Checker.");
        assert_eq!(found[1].term, "borrow");
        assert_eq!((found[1].start, found[1].end), (4, 10));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn letters_beyond_ascii_are_letters() {
        let found: Vec<_> = terms("Straße, naïve").collect();
        assert_eq!(found, ["straße", "naïve"]);
    }

    #[test]
    fn stop_words_are_sorted_for_the_search() {
        assert!(STOP_WORDS.windows(2).all(|w| w[0] < w[1]));
        assert!(is_stop_word("the"));
        assert!(!is_stop_word("theme"));
    }
}
