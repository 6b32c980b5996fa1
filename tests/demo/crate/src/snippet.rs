//! A few words around the first match.

use crate::token;

/// Bytes of text on each side of a match.
pub const WIDTH: usize = 24;

/// The first match with its surroundings, cut at words and never within a character.
pub fn snippet(body: &str, wanted: &[String], width: usize) -> String {
    let words = token::tokens(body);
    let hit = match words.iter().find(|t| wanted.contains(&t.term)) {
        Some(hit) => hit,
        None => return String::new(),
    };
    let from = words
        .iter()
        .map(|t| t.start)
        .find(|start| start + width >= hit.start)
        .unwrap_or(hit.start);
    let to = words
        .iter()
        .map(|t| t.end)
        .take_while(|end| *end <= hit.end + width)
        .last()
        .unwrap_or(hit.end);
    let end = body.trim_end_matches(|c: char| !c.is_alphanumeric()).len();
    let before = if from > 0 { "… " } else { "" };
    let after = if to < end { " …" } else { "" };
    format!("{before}{}{after}", &body[from..to])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippet_shows_the_match_and_marks_what_is_cut() {
        let body = "One two three four borrow five six seven eight.";
        let wanted = vec!["borrow".to_string()];
        assert_eq!(snippet(body, &wanted, 10), "… four borrow five six …");
        assert_eq!(snippet("borrow", &wanted, 10), "borrow");
        assert_eq!(snippet("nothing", &wanted, 10), "");
    }
}
