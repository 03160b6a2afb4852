//! Signature lists: what a library offers to link against, in several versions at once.
//!
//! A list is a text file that a person can read and `diff` can compare. Each line says once what most versions share and
//! carries a range where they differ (a member without one is in every version that has the class):
//!
//! ```text
//! versions 4.2.0 4.7.5 4.8.3
//! interface org/jivesoftware/openfire/session/Session
//!   getStatus()I abstract ..4.7.5
//!   getStatus()Lorg/jivesoftware/openfire/session/Session$Status; abstract 4.8.3..
//! ```
//!
//! Left out on purpose: generics, annotations, exceptions, constants' values, `final` and `abstract` of classes. The JVM does not
//! look at the first four when it links, and the sources of these lists do not have the last.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The classes of one version, by binary name.
pub type Classes = BTreeMap<String, ClassApi>;

/// One library in several versions, oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Version and what it offers.
    pub versions: Vec<(String, Classes)>,
}

/// What linking sees of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassApi {
    /// Binary name with slashes.
    pub name: String,
    /// An interface, not a class.
    pub interface: bool,
    /// The superclass; `None` stands for `java/lang/Object` (or for nothing, in an interface).
    pub extends: Option<String>,
    /// The interfaces that it names itself.
    pub implements: Vec<String>,
    /// The members that it declares itself.
    pub members: Vec<Member>,
}

/// A method (its descriptor starts with a parenthesis) or a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its name; `<init>` for a constructor.
    pub name: String,
    /// Its JVM descriptor.
    pub descriptor: String,
    /// Belongs to the class, not to an object.
    pub is_static: bool,
    /// Has no body.
    pub is_abstract: bool,
    /// Who may use it.
    pub access: Access,
}

/// Who may use a member. Package-private and private members are in no list; they occur in the checked classes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Everybody.
    Public,
    /// Subclasses and the package.
    Protected,
    /// Its package, or only the class itself.
    Hidden,
}

impl Member {
    /// A method, not a field.
    pub fn is_method(&self) -> bool {
        self.descriptor.starts_with('(')
    }

    /// `name(args)ret` or `name type`, as the lists write it.
    pub fn signature(&self) -> String {
        let gap = if self.is_method() { "" } else { " " };
        format!("{}{gap}{}", self.name, self.descriptor)
    }

    fn line(&self) -> String {
        let mut line = self.signature();
        for (set, word) in [
            (self.is_static, " static"),
            (self.is_abstract, " abstract"),
            (self.access == Access::Protected, " protected"),
        ] {
            if set {
                line.push_str(word);
            }
        }
        line
    }

    fn parse(words: &[&str]) -> Result<Member, String> {
        let first = *words.first().ok_or("an empty member line")?;
        let (name, descriptor, flags) = match first.find('(') {
            Some(at) => (&first[..at], &first[at..], &words[1..]),
            None => (first, *words.get(1).ok_or_else(|| format!("field {first} has no type"))?, &words[2..]),
        };
        let mut member = Member {
            name: name.to_owned(),
            descriptor: descriptor.to_owned(),
            is_static: false,
            is_abstract: false,
            access: Access::Public,
        };
        for flag in flags {
            match *flag {
                "static" => member.is_static = true,
                "abstract" => member.is_abstract = true,
                "protected" => member.access = Access::Protected,
                other => return Err(format!("{name}: unknown word {other:?}")),
            }
        }
        Ok(member)
    }
}

impl ClassApi {
    fn line(&self) -> String {
        let mut line = format!("{} {}", if self.interface { "interface" } else { "class" }, self.name);
        // An interface extends interfaces; both go through the same list in here.
        let (superclass, interfaces) =
            if self.interface { (None, "extends") } else { (self.extends.as_deref(), "implements") };
        if let Some(superclass) = superclass {
            let _ = write!(line, " extends {superclass}");
        }
        if !self.implements.is_empty() {
            let _ = write!(line, " {interfaces} {}", self.implements.join(" "));
        }
        line
    }

    fn parse(words: &[&str]) -> Result<ClassApi, String> {
        let [kind, name, rest @ ..] = words else {
            return Err("a class line needs a kind and a name".into());
        };
        let interface = match *kind {
            "interface" => true,
            "class" => false,
            other => return Err(format!("{other:?} is neither class nor interface")),
        };
        let mut class = ClassApi {
            name: (*name).to_owned(),
            interface,
            extends: None,
            implements: Vec::new(),
            members: Vec::new(),
        };
        let mut list = "";
        for word in rest {
            match (*word, list, interface) {
                ("extends" | "implements", ..) => list = word,
                (parent, "extends", false) => class.extends = Some(parent.to_owned()),
                (parent, "extends", true) | (parent, "implements", false) => {
                    class.implements.push(parent.to_owned())
                }
                (other, ..) => return Err(format!("{name}: unexpected {other:?}")),
            }
        }
        Ok(class)
    }
}

/// Reads one version written by hand or by a tool: the same lines without `versions` and without ranges.
pub fn parse_plain(text: &str) -> Result<Classes, String> {
    let mut listing = Listing::parse(&format!("versions only\n{text}"))?;
    Ok(listing.versions.remove(0).1)
}

impl Listing {
    /// Reads a list; the error names the line.
    pub fn parse(text: &str) -> Result<Listing, String> {
        let mut listing = Listing::default();
        let mut names: Vec<String> = Vec::new();
        let mut current = String::new();
        for (number, raw) in text.lines().enumerate() {
            if raw.trim().is_empty() || raw.starts_with('#') {
                continue;
            }
            let at = |problem: String| format!("line {}: {problem}", number + 1);
            let mut words: Vec<&str> = raw.split_whitespace().collect();
            if words[0] == "versions" {
                names = words[1..].iter().map(|&word| word.to_owned()).collect();
                listing.versions = names.iter().map(|name| (name.clone(), Classes::new())).collect();
                continue;
            }
            let range = match words.last() {
                Some(last) if is_range(last) => {
                    let range = parse_range(last, &names).map_err(at)?;
                    words.pop();
                    Some(range)
                }
                _ => None,
            };
            let here = |index: usize| range.as_ref().is_none_or(|range| range[index]);
            if raw.starts_with(' ') {
                let member = Member::parse(&words).map_err(at)?;
                for (index, (version, classes)) in listing.versions.iter_mut().enumerate() {
                    match classes.get_mut(&current) {
                        Some(class) if here(index) => class.members.push(member.clone()),
                        None if range.is_some() && here(index) => {
                            return Err(at(format!("a member of {current}, which {version} does not have")));
                        }
                        _ => {}
                    }
                }
            } else {
                let class = ClassApi::parse(&words).map_err(at)?;
                current.clone_from(&class.name);
                for (index, (_, classes)) in listing.versions.iter_mut().enumerate() {
                    if here(index) {
                        classes.insert(current.clone(), class.clone());
                    }
                }
            }
        }
        if names.is_empty() {
            return Err("no line says which versions this is about".into());
        }
        Ok(listing)
    }

    /// Writes the list, sorted, so that two runs over the same sources give the same bytes.
    pub fn write(&self, comment: &str) -> String {
        let names: Vec<&str> = self.versions.iter().map(|(name, _)| name.as_str()).collect();
        let mut text = String::new();
        for line in comment.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "versions {}", names.join(" "));
        // Class -> its head line, and each member line, with the versions that have them.
        let mut classes: BTreeMap<&str, Marks> = BTreeMap::new();
        for (index, (_, api)) in self.versions.iter().enumerate() {
            for class in api.values() {
                let marks = classes.entry(&class.name).or_default();
                mark(&mut marks.heads, class.line(), index, names.len());
                for member in &class.members {
                    mark(&mut marks.members, (member.clone(), member.line()), index, names.len());
                }
            }
        }
        for marks in classes.values() {
            let owner: Vec<bool> =
                (0..names.len()).map(|index| marks.heads.values().any(|here| here[index])).collect();
            for (line, here) in &marks.heads {
                let _ = writeln!(text, "{line}{}", range_of(here, &vec![true; names.len()], &names));
            }
            for ((_, line), here) in &marks.members {
                let _ = writeln!(text, "  {line}{}", range_of(here, &owner, &names));
            }
        }
        text
    }
}

#[derive(Default)]
struct Marks {
    heads: BTreeMap<String, Vec<bool>>,
    members: BTreeMap<(Member, String), Vec<bool>>,
}

fn mark<K: Ord>(map: &mut BTreeMap<K, Vec<bool>>, key: K, index: usize, versions: usize) {
    map.entry(key).or_insert_with(|| vec![false; versions])[index] = true;
}

/// A range starts with a digit or with `..`; no other word of a line does.
fn is_range(word: &str) -> bool {
    word.starts_with("..") || word.starts_with(|c: char| c.is_ascii_digit())
}

fn parse_range(word: &str, names: &[String]) -> Result<Vec<bool>, String> {
    let position = |name: &str| {
        names
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| format!("{name:?} is not among the versions"))
    };
    let mut here = vec![false; names.len()];
    for part in word.split(',') {
        let (from, to) = match part.split_once("..") {
            Some((from, to)) => (
                if from.is_empty() { 0 } else { position(from)? },
                if to.is_empty() { names.len() - 1 } else { position(to)? },
            ),
            None => (position(part)?, position(part)?),
        };
        for slot in here.iter_mut().take(to + 1).skip(from) {
            *slot = true;
        }
    }
    Ok(here)
}

/// The shortest way to write these versions; nothing when they are all that `owner`, the class, has anyway.
fn range_of(here: &[bool], owner: &[bool], names: &[&str]) -> String {
    if here == owner {
        return String::new();
    }
    let mut parts = Vec::new();
    let mut index = 0;
    while index < here.len() {
        if !here[index] {
            index += 1;
            continue;
        }
        let end = (index..here.len()).take_while(|&i| here[i]).last().unwrap_or(index);
        parts.push(match (index, end) {
            (start, end) if end == here.len() - 1 => format!("{}..", names[start]),
            (start, end) if start == end => names[start].to_owned(),
            (0, end) => format!("..{}", names[end]),
            (start, end) => format!("{}..{}", names[start], names[end]),
        });
        index = end + 1;
    }
    format!(" {}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_as_it_was_written() {
        let text = "\
# why
versions 1 2 3 4
class a/B extends a/A implements a/I a/J
  <init>()V
  LIMIT I static
  gone()V ..2
  here(Ljava/lang/String;)I abstract protected 1,3..
class a/I 3..
interface a/I extends java/lang/Runnable ..2
class a/New 3..
  last()V 4..
  run()V
";
        let listing = Listing::parse(text).unwrap();
        assert_eq!(listing.write("why"), text);
        assert_eq!(listing.versions[0].1.len(), 2);
        assert!(listing.versions[1].1["a/I"].interface);
        assert!(!listing.versions[2].1["a/I"].interface);
        assert_eq!(listing.versions[3].1["a/New"].members.len(), 2);
    }

    #[test]
    fn a_broken_line_is_named() {
        for (text, problem) in [
            ("class a/B", "no line says"),
            ("versions 1\nstruct a/B", "line 2"),
            ("versions 1\nclass a/B\n  x()V final", "line 3"),
            ("versions 1\nclass a/B 2..", "\"2\" is not among"),
            ("versions 1 2\nclass a/B ..1\n  x()V 2", "which 2 does not have"),
        ] {
            let error = Listing::parse(text).unwrap_err();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }
}
