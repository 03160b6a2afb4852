//! The link check: the built shim against every Openfire that it claims to run on.
//!
//! The shim is compiled against 4.2.0 alone. Whether the methods, fields, classes and interfaces that it names still have the same
//! binary form in later versions is decided here, from signature lists in `tests/openfire-api/`, without any of those servers.
//! Libraries that the server shares with its plugins (tinder, dom4j, servlet, slf4j) are checked in the version that each server ships.
//!
//! - `api`: the lists and their text form. `classfile`: what a class offers and uses. `check`: the JVM's rules over both.
//! - `import`: makes the lists again, from dumps of Openfire's API and from Maven Central; run by hand when a version is added.
//!
//! Left out on purpose: behaviour (that is what the tests in a real Openfire are for), reflection, JSP.

mod api;
mod check;
mod classfile;
mod import;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Cursor, Read as _, Seek};
use std::path::{Path, PathBuf};

use crate::project::{Doing, Failure, Project};
use api::{Classes, Listing};
use check::{OWN, Problem, Verdict, World};
use classfile::ClassFile;

/// Where the lists live, below the project's root.
const FOLDER: &str = "tests/openfire-api";

/// `cargo xtask linkcheck [JAR]` and `cargo xtask linkcheck --import DIR`.
pub fn command(project: &Project, arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let jar = match words.as_slice() {
        ["--import", dumps] => return import::run(Path::new(dumps), project),
        [] => project.target.join("dist/cloudbridge.jar"),
        [jar] => PathBuf::from(jar),
        _ => return Err(Failure::new("usage: cargo xtask linkcheck [JAR | --import DIR]")),
    };
    let report = run(&jar, &project.root)?;
    print!("{report}");
    match report.mistakes.len() {
        0 => Ok(()),
        n => Err(Failure::new(format!("{n} uses do not link everywhere"))),
    }
}

/// Checks a plugin jar, a plain jar of classes, or a folder of classes.
pub fn run(jar: &Path, root: &Path) -> Result<Report, Failure> {
    let classes = read_classes(jar)?;
    let report = report(&classes, &Lists::load(&root.join(FOLDER))?)?;
    if report.rows.iter().any(|row| row.openfire == 0) {
        return Err(Failure::new(format!("{} uses nothing of Openfire: is it the shim?", jar.display())));
    }
    Ok(report)
}

/// What the check found, for people (`Display`) and for tests.
#[derive(Debug)]
pub struct Report {
    /// One row per Openfire version, oldest first.
    pub rows: Vec<Row>,
    /// What would fail, and in which versions.
    pub mistakes: BTreeMap<Problem, Vec<String>>,
    /// Methods that replace something in the oldest version, while these have nothing of that name: legal, and never called.
    pub notes: BTreeMap<String, Vec<String>>,
}

/// One Openfire version.
#[derive(Debug)]
pub struct Row {
    /// The version.
    pub version: String,
    /// The library versions that it ships: `tinder 1.3.0, dom4j 2.0.0`.
    pub with: String,
    /// Distinct references into Openfire that link.
    pub openfire: usize,
    /// Distinct references into those libraries that link.
    pub libraries: usize,
    /// Classes and lambdas of ours that implement something of the server's.
    pub implementations: usize,
    /// What does not link in this version.
    pub mistakes: usize,
}

impl Report {
    /// The table that the README quotes.
    pub fn table(&self) -> String {
        let mut text = String::from(
            "| Openfire | with | references into Openfire | into its libraries | classes that it calls | result |\n\
             |---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let result = match row.mistakes {
                0 => "links".to_owned(),
                n => format!("**{n} do not link**"),
            };
            text.push_str(&format!(
                "| {} | {} | {} | {} | {} | {result} |\n",
                row.version, row.with, row.openfire, row.libraries, row.implementations
            ));
        }
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.table())?;
        for (problem, versions) in &self.mistakes {
            let dot = if problem.method.is_empty() { "" } else { "." };
            writeln!(out, "\nerror: {}{dot}{}", problem.class, problem.method)?;
            writeln!(out, "  uses    {}", problem.reference)?;
            writeln!(out, "  but     {}", problem.why)?;
            writeln!(out, "  in      {}", versions.join(", "))?;
        }
        for (method, versions) in &self.notes {
            writeln!(out, "\nnote: {method}\n  replaces nothing in {}", versions.join(", "))?;
        }
        Ok(())
    }
}

/// All lists, and which library versions go with which Openfire.
struct Lists {
    plan: Plan,
    lists: BTreeMap<String, Listing>,
}

/// `versions.txt`, parsed.
#[derive(Debug, Default)]
struct Plan {
    /// Openfire version and its libraries with their versions, oldest first.
    pairs: Vec<(String, Vec<(String, String)>)>,
    /// Library and its Maven coordinates without the version.
    maven: BTreeMap<String, String>,
    /// List and the packages that are kept of it.
    keep: BTreeMap<String, Vec<String>>,
    /// Classes in those packages that are not kept.
    drop: BTreeSet<String>,
}

impl Plan {
    fn parse(text: &str) -> Result<Plan, Failure> {
        let mut plan = Plan::default();
        for (number, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["openfire", version, libraries @ ..] if libraries.len() % 2 == 0 => {
                    let libraries = libraries.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
                    plan.pairs.push(((*version).to_owned(), libraries.collect()));
                }
                ["maven", list, coordinates] => {
                    plan.maven.insert((*list).to_owned(), (*coordinates).to_owned());
                }
                ["keep", list, packages @ ..] => {
                    plan.keep.entry((*list).to_owned()).or_default().extend(owned(packages));
                }
                ["drop", classes @ ..] => plan.drop.extend(owned(classes)),
                _ => {
                    let text = format!("versions.txt, line {}: {line:?} is not understood", number + 1);
                    return Err(Failure::new(text));
                }
            }
        }
        if plan.pairs.is_empty() {
            return Err(Failure::new("versions.txt names no Openfire version"));
        }
        Ok(plan)
    }

    fn load(folder: &Path) -> Result<Plan, Failure> {
        Plan::parse(&read_text(&folder.join("versions.txt"))?)
    }
}

impl Lists {
    fn load(folder: &Path) -> Result<Lists, Failure> {
        let plan = Plan::load(folder)?;
        let mut lists = BTreeMap::new();
        for name in ["openfire", "jdk"].into_iter().chain(plan.maven.keys().map(String::as_str)) {
            let path = folder.join(format!("{name}.txt"));
            let listing = Listing::parse(&read_text(&path)?).doing(path.display())?;
            lists.insert(name.to_owned(), listing);
        }
        Ok(Lists { plan, lists })
    }

    fn get(&self, list: &str, version: &str) -> Result<&Classes, Failure> {
        self.lists
            .get(list)
            .and_then(|listing| listing.versions.iter().find(|(name, _)| name == version))
            .map(|(_, classes)| classes)
            .ok_or_else(|| {
                Failure::new(format!(
                    "there is no list of {list} {version}: run cargo xtask linkcheck --import"
                ))
            })
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).doing(format!("reading {}", path.display()))
}

fn report(classes: &[ClassFile], lists: &Lists) -> Result<Report, Failure> {
    let own: Classes = classes.iter().map(|class| (class.api.name.clone(), class.api.clone())).collect();
    let jdk = &lists.lists["jdk"].versions;
    let mut rows = Vec::new();
    let mut mistakes: BTreeMap<Problem, Vec<String>> = BTreeMap::new();
    let mut notes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut oldest: Option<BTreeSet<(String, String)>> = None;
    for (version, libraries) in &lists.plan.pairs {
        let mut parts = vec![(OWN, &own), ("openfire", lists.get("openfire", version)?)];
        for (library, its_version) in libraries {
            parts.push((library.as_str(), lists.get(library, its_version)?));
        }
        parts.extend(jdk.iter().map(|(_, classes)| ("jdk", classes)));
        let verdict = check::check(&World::new(parts), classes);
        rows.push(row(version, libraries, &verdict));
        for problem in verdict.problems {
            mistakes.entry(problem).or_default().push(version.clone());
        }
        let baseline = oldest.get_or_insert_with(|| verdict.overrides.clone());
        for (class, method) in baseline.difference(&verdict.overrides) {
            // A listener for all versions has both forms of a method that changed; one of them is always idle.
            let other_form =
                |(owner, other): &&(String, String)| owner == class && name_of(other) == name_of(method);
            if verdict.overrides.iter().any(|one| other_form(&one)) {
                continue;
            }
            notes.entry(format!("{class}.{method}")).or_default().push(version.clone());
        }
    }
    Ok(Report { rows, mistakes, notes })
}

fn name_of(signature: &str) -> &str {
    signature.split('(').next().unwrap_or(signature)
}

fn row(version: &str, libraries: &[(String, String)], verdict: &Verdict) -> Row {
    let with: Vec<String> = libraries.iter().map(|(name, its)| format!("{name} {its}")).collect();
    let of = |wanted: fn(&str) -> bool| {
        verdict.linked.iter().filter(|(origin, _)| wanted(origin)).map(|(_, count)| count).sum()
    };
    Row {
        version: version.to_owned(),
        with: with.join(", "),
        openfire: of(|origin| origin == "openfire"),
        libraries: of(|origin| !["openfire", "jdk", OWN].contains(&origin)),
        implementations: verdict.implementations,
        mistakes: verdict.problems.len(),
    }
}

/// Classes of a folder, of a jar, or of the jars in a plugin jar's `lib/`.
fn read_classes(path: &Path) -> Result<Vec<ClassFile>, Failure> {
    let mut files = Vec::new();
    if path.is_dir() {
        collect_folder(path, &mut files)?;
    } else {
        let jar = std::fs::File::open(path).doing(format!("opening {}", path.display()))?;
        files = zip_entries(jar, &path.display().to_string(), |name| {
            name.ends_with(".class") || (name.starts_with("lib/") && name.ends_with(".jar"))
        })?;
        let (jars, mut classes): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(name, _)| name.ends_with(".jar"));
        for (name, bytes) in jars {
            classes.extend(zip_entries(Cursor::new(bytes), &name, |name| name.ends_with(".class"))?);
        }
        files = classes;
    }
    if files.is_empty() {
        return Err(Failure::new(format!("{} holds no classes", path.display())));
    }
    let mut classes = Vec::new();
    for (name, bytes) in files {
        classes.push(classfile::read(&bytes).doing(name)?);
    }
    Ok(classes)
}

fn collect_folder(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let reading = |path: &Path| format!("reading {}", path.display());
    for entry in std::fs::read_dir(folder).doing(reading(folder))? {
        let path = entry.doing(reading(folder))?.path();
        if path.is_dir() {
            collect_folder(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "class") {
            let bytes = std::fs::read(&path).doing(reading(&path))?;
            files.push((path.display().to_string(), bytes));
        }
    }
    Ok(())
}

fn zip_entries(
    source: impl std::io::Read + Seek,
    label: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut archive = zip::ZipArchive::new(source).doing(label)?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).doing(label)?;
        let name = entry.name().doing(label)?.into_owned();
        if wanted(&name) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).doing(label)?;
            entries.push((name, bytes));
        }
    }
    Ok(entries)
}
