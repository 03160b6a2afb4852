//! `docs/paper.md` names files and tests; each of them exists. A test is written `file#name`.

use std::path::Path;

/// Every `…` of the page that is a path of this repository: file, and the test in it.
fn named(page: &str) -> Vec<(String, Option<String>)> {
    let words = page.split('`').skip(1).step_by(2);
    let paths = words.filter(|word| word.contains('/') && !word.starts_with('/') && !word.contains(' '));
    paths
        .map(|path| match path.split_once('#') {
            Some((file, test)) => (file.to_owned(), Some(test.to_owned())),
            None => (path.to_owned(), None),
        })
        .collect()
}

/// Whether a Rust or Java source has a test of this name.
fn has_test(source: &str, name: &str) -> bool {
    source.contains(&format!("fn {name}(")) || source.contains(&format!("static void {name}(Stage stage)"))
}

#[test]
fn every_file_and_every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/paper.md")).expect("the page");
    let named = named(&page);
    assert!(named.len() > 50, "only {} are found: has the page another form?", named.len());
    let mut wrong = Vec::new();
    for (file, test) in named {
        match (std::fs::read_to_string(root.join(&file)), test) {
            (Err(error), _) => wrong.push(format!("{file}: {error}")),
            (Ok(source), Some(test)) if !has_test(&source, &test) => {
                wrong.push(format!("{file} has no test {test}"))
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "docs/paper.md names what is not there:\n{}", wrong.join("\n"));
}

#[test]
fn a_line_of_the_tables_without_a_test_says_why() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/paper.md"))
        .expect("the page");
    for line in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| the paper")) {
        assert!(line.contains('#') || line.contains("are no tests"), "no test: {line}");
    }
}

#[test]
fn a_wrong_name_would_be_found() {
    assert_eq!(
        named("| x | `a/b.rs`, `/docs` to try | `c/D.java#works`, `cargo xtask` |"),
        [("a/b.rs".to_owned(), None), ("c/D.java".to_owned(), Some("works".to_owned()))]
    );
    assert!(has_test("    fn it_holds() {", "it_holds") && !has_test("fn it_holds_too() {", "it_holds"));
    assert!(has_test("static void works(Stage stage) throws", "works"));
}
