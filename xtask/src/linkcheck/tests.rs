//! The check must really fail. Each `tests/openfire-api/cases/NAME.java` does something that some Openfire does not link; what the check
//! says of it stands in `NAME.txt` and is compared as text. The cases are compiled with javac against `stubs/`, a few classes as they
//! are in 4.2.0, and checked against the real lists. `UPDATE=1 cargo test -p xtask linkcheck` rewrites the expectations.
//!
//! What no real change shows (static made dynamic, two defaults, …) is checked below on lists made up for the purpose.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use super::api::parse_plain;
use super::check::{OWN, World, check};
use super::classfile::{Call, ClassFile, Reference, Use};
use super::{FOLDER, Lists, read_classes, report, run};
use crate::tools::Jdk;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn java_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(java_files(&path));
        } else if path.extension().is_some_and(|end| end == "java") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn each_case_is_reported_as_written() {
    let folder = root().join(FOLDER);
    let cases = java_files(&folder.join("cases"));
    let scratch = tempfile::tempdir().unwrap();
    let (stubs, classes) = (scratch.path().join("stubs"), scratch.path().join("cases"));
    javac(&stubs, &stubs, &java_files(&folder.join("stubs")));
    javac(&stubs, &classes, &cases);

    let lists = Lists::load(&folder).unwrap();
    let mut compiled = read_classes(&classes).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.file_stem().unwrap().to_str().unwrap();
        let (own, rest) = compiled
            .into_iter()
            .partition(|class| class.api.name == name || class.api.name.starts_with(&format!("{name}$")));
        compiled = rest;
        let own: Vec<ClassFile> = own;
        let report = report(&own, &lists).unwrap();
        let said = report.to_string().replace(&report.table(), "").trim_start().to_owned();
        let expected = case.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{}: the check says\n{said}", expected.display()));
        }
        let counted: usize = report.rows.iter().map(|row| row.mistakes).sum();
        let listed: usize = report.mistakes.values().map(Vec::len).sum();
        assert_eq!(counted, listed, "{name}");
    }
    assert!(compiled.is_empty(), "classes that belong to no case");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn javac(class_path: &Path, into: &Path, sources: &[PathBuf]) {
    fs::create_dir_all(into).unwrap();
    let done = Jdk::for_builds()
        .unwrap()
        .tool("javac")
        .args(["--release", "8", "-nowarn", "-Xlint:-options", "-cp"])
        .arg(class_path)
        .arg("-d")
        .arg(into)
        .args(sources)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A class of ours without code, which uses what a test gives it.
fn ours(line: &str, uses: Vec<Reference>) -> ClassFile {
    let api = parse_plain(line).unwrap().into_values().next().unwrap();
    let uses = uses.into_iter().map(|reference| Use { method: "run()V".into(), reference });
    ClassFile { api, public: true, concrete: true, major: 52, uses: uses.collect() }
}

fn call(owner: &str, name: &str, call: Call) -> Reference {
    Reference::Method {
        owner: owner.into(),
        name: name.into(),
        descriptor: "()V".into(),
        call,
        owner_is_interface: false,
    }
}

fn complaints(server: &str, class: ClassFile) -> Vec<String> {
    let server =
        parse_plain(&format!("class java/lang/Object\n  toString()Ljava/lang/String;\n{server}")).unwrap();
    let own = [(class.api.name.clone(), class.api.clone())].into();
    let world = World::new([(OWN, &own), ("server", &server)]);
    let verdict = check(&world, &[class]);
    let text: BTreeSet<String> =
        verdict.problems.into_iter().map(|one| format!("{}: {}", one.reference, one.why)).collect();
    text.into_iter().collect()
}

#[test]
fn what_the_jvm_would_refuse() {
    let special = call("s/A", "run", Call::Special);
    let field = Reference::Field {
        owner: "s/A".into(),
        name: "size".into(),
        descriptor: "I".into(),
        is_static: true,
    };
    for (server, line, uses, expected) in [
        (
            "class s/A\n  run()V static",
            "class o/X",
            vec![call("s/A", "run", Call::Virtual)],
            "static in s/A here",
        ),
        (
            "class s/A\n  run()V",
            "class o/X",
            vec![call("s/A", "run", Call::Static)],
            "not static in s/A here",
        ),
        ("class s/A\n  size I", "class o/X", vec![field], "not static in s/A here"),
        ("class s/A\n  run()V abstract", "class o/X extends s/A\n  run()V", vec![special], "no body to call"),
        (
            "class s/A\n  run()V protected",
            "class o/X",
            vec![call("s/A", "run", Call::Virtual)],
            "protected in s/A",
        ),
        (
            "class s/A\n  <init>()V\nclass s/B extends s/A",
            "class o/X",
            vec![call("s/B", "<init>", Call::Special)],
            "no such method",
        ),
        ("interface s/I", "class o/X extends s/I", vec![], "an interface here, it was a class"),
        ("class s/A", "class o/X implements s/A", vec![], "a class here, it was an interface"),
        ("interface s/I\n  run()V abstract", "class o/X implements s/I", vec![], "not implemented"),
        ("class s/A\n  run()V abstract", "class o/X extends s/A", vec![], "not implemented"),
        (
            "interface s/I\n  run()V\ninterface s/J\n  run()V",
            "class o/X implements s/I s/J",
            vec![call("s/A", "run", Call::Virtual)],
            "no such class: s/A",
        ),
        ("class s/A", "class o/X", vec![Reference::Class("[[Ls/B;".into())], "no such class: s/B"),
        (
            "class s/A extends java/util/TimerTask",
            "class o/X",
            vec![call("s/A", "cancel", Call::Virtual)],
            "which no list knows",
        ),
    ] {
        let said = complaints(server, ours(line, uses));
        assert_eq!(said.len(), 1, "{server:?}, {line:?}: {said:?}");
        assert!(said[0].contains(expected), "{server:?}, {line:?}: {said:?}");
    }
}

#[test]
fn what_the_jvm_accepts() {
    for (server, line, uses) in [
        // Inherited, from a class or an interface, also by the name of a class of ours.
        ("class s/A\n  run()V\nclass s/B extends s/A", "class o/X", vec![call("s/B", "run", Call::Virtual)]),
        ("class s/A\n  run()V protected", "class o/X extends s/A", vec![call("o/X", "run", Call::Virtual)]),
        ("interface s/I\n  run()V", "class o/X implements s/I", vec![call("o/X", "run", Call::Virtual)]),
        // A default takes the place of an abstract method of the interface that it extends.
        (
            "interface s/I\n  run()V abstract\ninterface s/J extends s/I\n  run()V",
            "class o/X implements s/J s/I",
            vec![],
        ),
        // A body in a superclass takes the place of an interface's method.
        (
            "interface s/I\n  run()V abstract\nclass s/A\n  run()V",
            "class o/X extends s/A implements s/I",
            vec![],
        ),
        // Every object has Object's methods.
        ("interface s/I\n  toString()Ljava/lang/String; abstract", "class o/X implements s/I", vec![]),
        // The JDK's classes are javac's business.
        ("", "class o/X extends java/util/TimerTask", vec![call("o/X", "cancel", Call::Virtual)]),
        (
            "",
            "class o/X",
            vec![call("java/lang/Thread", "start", Call::Virtual), Reference::Class("[I".into())],
        ),
    ] {
        assert_eq!(complaints(server, ours(line, uses)), Vec::<String>::new(), "{server:?}, {line:?}");
    }
}

#[test]
fn a_class_for_a_newer_java_is_refused() {
    let mut class = ours("class o/X", vec![]);
    class.major = 55;
    assert_eq!(complaints("", class), ["class file version 55: Java 8 reads up to 52"]);
}

#[test]
fn a_plugin_jar_is_read_through_and_a_stranger_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join("Stranger.java");
    fs::write(&source, "class Stranger {}").unwrap();
    let classes = scratch.path().join("classes");
    javac(scratch.path(), &classes, &[source]);
    let shim = zipped(&[("Stranger.class", fs::read(classes.join("Stranger.class")).unwrap())]);
    let jar = scratch.path().join("plugin.jar");
    fs::write(&jar, zipped(&[("plugin.xml", Vec::new()), ("lib/shim.jar", shim)])).unwrap();

    assert_eq!(read_classes(&jar).unwrap()[0].api.name, "Stranger");
    let refused = run(&jar, &root()).unwrap_err().to_string();
    assert!(refused.ends_with("uses nothing of Openfire: is it the shim?"), "{refused}");
    fs::write(&jar, zipped(&[("plugin.xml", Vec::new())])).unwrap();
    assert!(run(&jar, &root()).unwrap_err().to_string().ends_with("holds no classes"));
}

fn zipped(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn every_version_has_all_its_lists() {
    let lists = Lists::load(&root().join(FOLDER)).unwrap();
    let versions: Vec<&str> = lists.plan.pairs.iter().map(|(version, _)| version.as_str()).collect();
    assert_eq!(versions, ["4.2.0", "4.4.4", "4.7.5", "4.8.3", "4.9.2", "5.0.5", "5.1.1"]);
    for (version, libraries) in &lists.plan.pairs {
        assert!(lists.get("openfire", version).unwrap().len() > 300, "openfire {version}");
        for (library, its) in libraries {
            assert!(!lists.get(library, its).unwrap().is_empty(), "{library} {its}");
        }
    }
}
