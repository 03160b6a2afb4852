//! Makes the lists again: `cargo xtask linkcheck --import DIR`.
//!
//! `DIR` holds dumps of Openfire's public and protected API, `openfire-<version>-api.txt`, in the form of the lists without
//! ranges (`javap -protected -s` says the same in other words); a version without a dump stays as it is. The libraries come
//! from Maven Central, the classes of the JDK that the others descend from from the JDK's own record of Java 8 (`lib/ct.sym`).
//! What is kept of all that stands in `tests/openfire-api/versions.txt`.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Doing, Failure, Output, Project, execute};
use crate::tools::Jdk;

use super::api::{Access, ClassApi, Classes, Listing, parse_plain};
use super::{FOLDER, Plan, classfile, read_text, zip_entries};

const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";

/// Reads the sources and writes one file per list.
pub fn run(dumps: &Path, project: &Project) -> Result<(), Failure> {
    let folder = project.root.join(FOLDER);
    let jars = project.target.join("linkcheck");
    let plan = Plan::load(&folder)?;
    let mut lists: Vec<(&str, Listing, String)> = Vec::new();

    let kept = fs::read_to_string(folder.join("openfire.txt")).unwrap_or_default();
    let kept = Listing::parse(&kept).unwrap_or_default();
    let mut openfire = Listing::default();
    for (version, _) in &plan.pairs {
        let path = dumps.join(format!("openfire-{version}-api.txt"));
        let known = kept.versions.iter().find(|(name, _)| name == version);
        let classes = match known {
            Some((_, classes)) if !path.exists() => {
                println!("openfire {version}: no dump, stays as it is");
                classes.clone()
            }
            _ => parse_plain(&read_text(&path)?).doing(path.display())?,
        };
        openfire.versions.push((version.clone(), select(classes, "openfire", &plan)));
    }
    lists.push(("openfire", openfire, "Openfire's public and protected API".into()));

    for (library, coordinates) in &plan.maven {
        let mut listing = Listing::default();
        for (_, shipped) in &plan.pairs {
            for (_, version) in shipped.iter().filter(|(name, _)| name == library) {
                if listing.versions.iter().any(|(known, _)| known == version) {
                    continue;
                }
                let classes = read_jar(&resolve(coordinates, version, &jars)?)?;
                listing.versions.push((version.clone(), select(classes, library, &plan)));
            }
        }
        lists.push((library, listing, format!("Public and protected API of {coordinates}")));
    }

    let ancestors: BTreeSet<&str> = lists
        .iter()
        .flat_map(|(_, listing, _)| &listing.versions)
        .flat_map(|(_, classes)| classes.values())
        .flat_map(|class| class.extends.iter().chain(&class.implements))
        .map(String::as_str)
        .collect();
    let mut wanted: Vec<String> = ancestors.into_iter().map(str::to_owned).collect();
    wanted.push("java/lang/Object".into());
    let jdk = Listing { versions: vec![("8".into(), closure(&java_8()?, wanted))] };
    let about = "The classes of Java 8 that classes in the other lists descend from".to_owned();
    lists.push(("jdk", jdk, about));

    for (name, listing, about) in lists {
        let comment = format!(
            "{about}, written by `cargo xtask linkcheck --import`.\nThe form is explained in xtask/src/linkcheck/api.rs."
        );
        let text = listing.write(&comment);
        let path = folder.join(format!("{name}.txt"));
        fs::write(&path, &text).doing(format!("writing {}", path.display()))?;
        println!("{name}: {} bytes, {} versions", text.len(), listing.versions.len());
    }
    Ok(())
}

/// The classes of the kept packages and their ancestors.
fn select(all: Classes, list: &str, plan: &Plan) -> Classes {
    let packages = plan.keep.get(list).map_or(&[][..], Vec::as_slice);
    let wanted = all
        .keys()
        .filter(|name| !plan.drop.contains(name.split('$').next().unwrap_or(name)))
        .filter(|name| {
            name.rsplit_once('/').is_some_and(|(package, _)| packages.iter().any(|kept| kept == package))
        })
        .cloned()
        .collect();
    closure(&all, wanted)
}

fn closure(all: &Classes, wanted: Vec<String>) -> Classes {
    let mut kept = Classes::new();
    let mut open: VecDeque<String> = wanted.into();
    while let Some(name) = open.pop_front() {
        if let Some(class) = all.get(&name)
            && !kept.contains_key(&name)
        {
            open.extend(class.extends.iter().chain(&class.implements).cloned());
            kept.insert(name, class.clone());
        }
    }
    kept
}

/// Asks Maven for a jar.
fn resolve(coordinates: &str, version: &str, into: &Path) -> Result<PathBuf, Failure> {
    let artifact = format!("{coordinates}:{version}");
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "-Dstyle.color=never", COPY, &format!("-Dartifact={artifact}")]);
    maven.arg(format!("-DoutputDirectory={}", into.display()));
    execute(maven, Output::Shown).doing(format!("fetching {artifact}"))?;
    let name = coordinates.rsplit(':').next().unwrap_or(coordinates);
    Ok(into.join(format!("{name}-{version}.jar")))
}

fn read_jar(path: &Path) -> Result<Classes, Failure> {
    let jar = fs::File::open(path).doing(format!("opening {}", path.display()))?;
    offered(zip_entries(jar, &path.display().to_string(), |name| {
        name.ends_with(".class") && !name.starts_with("META-INF/") && !name.ends_with("module-info.class")
    })?)
}

/// The Java 8 classes that the running JDK compiles against with `--release 8`: each entry's first folder is made of one letter or
/// digit per release that has this form of the class.
fn java_8() -> Result<Classes, Failure> {
    let path = Jdk::for_builds()?.home.join("lib/ct.sym");
    let symbols = fs::File::open(&path).doing(format!("opening {}", path.display()))?;
    offered(zip_entries(symbols, "ct.sym", |name| {
        let folder = name.split('/').next().unwrap_or_default();
        folder.contains('8')
            && !folder.contains('-')
            && name.ends_with(".sig")
            && !name.contains("module-info")
    })?)
}

fn offered(files: Vec<(String, Vec<u8>)>) -> Result<Classes, Failure> {
    let mut classes = Classes::new();
    for (name, bytes) in files {
        let class = classfile::read(&bytes).doing(name)?;
        let mut api: ClassApi = class.api;
        // A hidden class is an ancestor of visible ones at most; its members count as theirs, so it stays, and `select` drops the rest.
        api.members.retain(|member| member.access != Access::Hidden && member.name != "<clinit>");
        if class.public || !api.members.is_empty() {
            classes.insert(api.name.clone(), api);
        }
    }
    Ok(classes)
}
