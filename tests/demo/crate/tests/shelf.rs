use shelf::{Error, Shelf};

fn shelf() -> Shelf {
    let mut shelf = Shelf::new();
    for (title, body) in [
        (
            "ownership",
            "Each value has one owner. A move ends the borrow.",
        ),
        (
            "borrowing",
            "A borrow is a loan: borrow often, borrow briefly.",
        ),
        ("lifetimes", "A lifetime names how long a borrow may last."),
    ] {
        shelf.add(title, body).unwrap();
    }
    shelf
}

#[test]
fn search_finds_the_document_that_says_it_most() {
    let shelf = shelf();
    let hits = shelf.search("borrow", 2).unwrap();
    assert_eq!(hits.len(), 2);
    assert_eq!(hits[0].title, "borrowing");
    assert!(hits[0].snippet.contains("borrow"));
}

#[test]
fn adding_a_title_again_replaces_it() {
    let mut shelf = shelf();
    shelf.add("lifetimes", "Elided.").unwrap();
    assert_eq!(shelf.len(), 3);
    assert!(shelf.search("lifetime", 5).unwrap().is_empty());
}

#[test]
fn removing_twice_names_the_title() {
    let mut shelf = shelf();
    shelf.remove("ownership").unwrap();
    assert_eq!(
        shelf.remove("ownership"),
        Err(Error::NotFound("ownership".to_string()))
    );
}
