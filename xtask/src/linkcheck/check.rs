//! Does a class link? The JVM's rules of resolution (JVMS 5.4.3) over signature lists, for one version at a time.
//!
//! The JVM links lazily: a class that names a missing method loads, and fails when the call is reached. So an error here would be a
//! `NoSuchMethodError`, `IncompatibleClassChangeError` or `AbstractMethodError` in somebody's server one day, on the thread that routes.
//! Calls into the JDK are not looked at: `javac --release 8` has compared them with Java 8, and the JDK keeps its promises (what
//! was removed since is not taken for JDK below, so it fails as unknown).

use std::collections::{BTreeMap, BTreeSet};

use super::api::{Access, ClassApi, Classes, Member};
use super::classfile::{Call, ClassFile, Reference};

/// The newest class file version that the oldest supported Java reads.
const JAVA_8: u16 = 52;

/// Packages that every JDK since 8 has. Not here, so that they fail: `javax/xml/bind`, `javax/xml/ws`, `javax/annotation`,
/// `javax/activation`, `javax/jws`, `javax/transaction`, `org/omg` (removed in 11), `sun` and `com/sun` (not promised).
const JDK: [&str; 17] = [
    "java/",
    "javax/crypto/",
    "javax/imageio/",
    "javax/management/",
    "javax/naming/",
    "javax/net/",
    "javax/script/",
    "javax/security/",
    "javax/sql/",
    "javax/xml/datatype/",
    "javax/xml/namespace/",
    "javax/xml/parsers/",
    "javax/xml/stream/",
    "javax/xml/transform/",
    "javax/xml/validation/",
    "javax/xml/xpath/",
    "org/xml/sax/",
];

fn is_jdk(name: &str) -> bool {
    JDK.iter().any(|package| name.starts_with(package)) || name.starts_with("org/w3c/dom/")
}

/// Everything that a class can see on one version of the server.
pub struct World<'a> {
    classes: BTreeMap<&'a str, (&'a str, &'a ClassApi)>,
}

impl<'a> World<'a> {
    /// Puts lists together; each has the name that the counts go under.
    pub fn new(lists: impl IntoIterator<Item = (&'a str, &'a Classes)>) -> World<'a> {
        let mut classes = BTreeMap::new();
        for (origin, list) in lists {
            for class in list.values() {
                classes.entry(class.name.as_str()).or_insert((origin, class));
            }
        }
        World { classes }
    }

    fn get(&self, name: &str) -> Option<&'a ClassApi> {
        self.classes.get(name).map(|(_, class)| *class)
    }

    fn origin(&self, name: &str) -> &'a str {
        self.classes.get(name).map_or("jdk", |(origin, _)| origin)
    }

    /// The class, then its superclasses. Ends early at a class that no list has.
    fn superclasses(&self, class: &'a ClassApi) -> Vec<&'a ClassApi> {
        let mut chain = vec![class];
        let mut current = class;
        while !current.interface && current.name != "java/lang/Object" {
            let parent = current.extends.as_deref().unwrap_or("java/lang/Object");
            match self.get(parent) {
                Some(parent) if !chain.iter().any(|known| known.name == parent.name) => {
                    chain.push(parent);
                    current = parent;
                }
                _ => break,
            }
        }
        chain
    }

    /// All interfaces of a class and its superclasses, nearest first.
    fn interfaces(&self, class: &'a ClassApi) -> Vec<&'a ClassApi> {
        let mut found: Vec<&ClassApi> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for one in self.superclasses(class) {
            names.extend(one.implements.iter().map(String::as_str));
        }
        let mut next = 0;
        while next < names.len() {
            if let Some(interface) = self.get(names[next])
                && !found.iter().any(|known| known.name == interface.name)
            {
                found.push(interface);
                names.extend(interface.implements.iter().map(String::as_str));
            }
            next += 1;
        }
        found
    }

    /// Ancestors that no list has: the JDK's own where nothing of a server comes between.
    fn unlisted(&self, class: &'a ClassApi) -> Option<&'a str> {
        let supers = self.superclasses(class);
        let interfaces = self.interfaces(class);
        supers
            .iter()
            .chain(&interfaces)
            .flat_map(|one| one.extends.iter().chain(&one.implements))
            .map(String::as_str)
            .find(|name| self.get(name).is_none())
    }

    fn is_subclass(&self, class: &'a ClassApi, of: &str) -> bool {
        self.superclasses(class).iter().any(|one| one.name == of)
    }

    fn method(
        &self,
        owner: &'a ClassApi,
        name: &str,
        descriptor: &str,
    ) -> Option<(&'a ClassApi, &'a Member)> {
        if name == "<init>" {
            return own(owner, name, descriptor);
        }
        let supers = self.superclasses(owner);
        let object = if owner.interface { self.get("java/lang/Object") } else { None };
        supers
            .into_iter()
            .chain(self.interfaces(owner))
            .chain(object)
            .find_map(|class| own(class, name, descriptor))
    }

    fn field(&self, owner: &'a ClassApi, name: &str, descriptor: &str) -> Option<(&'a ClassApi, &'a Member)> {
        let mut places = self.superclasses(owner);
        places.extend(self.interfaces(owner));
        places.into_iter().find_map(|class| own(class, name, descriptor))
    }

    /// The body that a call on an object of `class` reaches: its own or inherited one, else the most specific default.
    fn body(&self, class: &'a ClassApi, name: &str, descriptor: &str) -> bool {
        for one in self.superclasses(class) {
            if let Some((_, member)) = own(one, name, descriptor) {
                return !member.is_abstract && !member.is_static;
            }
        }
        let candidates: Vec<(&ClassApi, &Member)> = self
            .interfaces(class)
            .into_iter()
            .filter_map(|interface| own(interface, name, descriptor))
            .filter(|(_, member)| !member.is_static)
            .collect();
        let specific = candidates.iter().filter(|(interface, _)| {
            !candidates.iter().any(|(other, _)| {
                other.name != interface.name && self.extends_interface(other, &interface.name)
            })
        });
        specific.filter(|(_, member)| !member.is_abstract).count() == 1
    }

    fn extends_interface(&self, interface: &'a ClassApi, of: &str) -> bool {
        self.interfaces(interface).iter().any(|one| one.name == of)
    }
}

fn own<'a>(class: &'a ClassApi, name: &str, descriptor: &str) -> Option<(&'a ClassApi, &'a Member)> {
    class
        .members
        .iter()
        .find(|member| member.name == name && member.descriptor == descriptor)
        .map(|member| (class, member))
}

/// What one version says about the checked classes.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Distinct references that were compared, by the list that has them; JDK ones are counted and not compared.
    pub linked: BTreeMap<String, usize>,
    /// Classes of ours that stand in for something of the server's: listeners, handlers, providers, lambdas.
    pub implementations: usize,
    /// What would fail.
    pub problems: BTreeSet<Problem>,
    /// Methods that replace something of the server's: `(class, method)`. Compared between versions by the caller.
    pub overrides: BTreeSet<(String, String)>,
}

/// One thing that would fail, in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The class of ours.
    pub class: String,
    /// Its method; empty for the class itself.
    pub method: String,
    /// What it refers to.
    pub reference: String,
    /// What is wrong with it.
    pub why: String,
}

/// Checks classes against one world, which contains them as well.
pub fn check(world: &World<'_>, classes: &[ClassFile]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut distinct: BTreeSet<(&Reference, &str)> = BTreeSet::new();
    for class in classes {
        let mut problem = |method: &str, reference: String, why: String| {
            verdict.problems.insert(Problem {
                class: class.api.name.clone(),
                method: method.to_owned(),
                reference,
                why,
            });
        };
        if class.major > JAVA_8 {
            problem("", format!("class file version {}", class.major), "Java 8 reads up to 52".into());
        }
        for one in &class.uses {
            match resolve(world, &class.api, &one.reference) {
                Ok(origin) => {
                    distinct.insert((&one.reference, origin));
                }
                Err(why) => problem(&one.method, describe(&one.reference), why),
            }
        }
        if let Err((reference, why)) = parents(world, &class.api) {
            problem("", reference, why);
        } else if class.concrete {
            for (reference, why) in missing_bodies(world, &class.api) {
                problem("", reference, why);
            }
        }
        verdict.overrides.extend(overrides(world, &class.api));
        let foreign = |name: &str| !matches!(world.origin(name), OWN | "jdk");
        verdict.implementations += usize::from(
            class.concrete
                && (world.superclasses(&class.api).iter())
                    .chain(&world.interfaces(&class.api))
                    .any(|one| foreign(&one.name)),
        );
        verdict.implementations += (class.uses.iter())
            .filter(|one| matches!(&one.reference, Reference::Lambda { interface, .. } if foreign(interface)))
            .count();
    }
    for (_, origin) in distinct {
        *verdict.linked.entry(origin.to_owned()).or_default() += 1;
    }
    verdict
}

/// The origin of the checked classes themselves.
pub const OWN: &str = "own";

fn resolve<'a>(world: &World<'a>, from: &ClassApi, reference: &Reference) -> Result<&'a str, String> {
    match reference {
        Reference::Class(name) => {
            let element = element(name);
            if element.is_empty() || is_jdk(element) || world.get(element).is_some() {
                Ok(world.origin(element))
            } else {
                Err(unknown(element))
            }
        }
        Reference::Field { owner, name, descriptor, is_static } => {
            let Some(owner) = known(world, owner)? else {
                return Ok("jdk");
            };
            let found = world.field(owner, name, descriptor);
            let (place, member) = match found {
                Some(found) => found,
                None => return inherited_from_jdk(world, owner, name, "field"),
            };
            same_static(*is_static, member, place)?;
            accessible(world, from, place, member)?;
            Ok(world.origin(&place.name))
        }
        Reference::Method { owner, name, descriptor, call, owner_is_interface } => {
            let Some(owner) = known(world, owner)? else {
                return Ok("jdk");
            };
            if owner.interface != *owner_is_interface {
                return Err(format!(
                    "{} is {} here, the call was compiled for {}",
                    owner.name,
                    kind(owner.interface),
                    kind(*owner_is_interface)
                ));
            }
            let (place, member) = match world.method(owner, name, descriptor) {
                Some(found) => found,
                None => return inherited_from_jdk(world, owner, name, "method"),
            };
            same_static(*call == Call::Static, member, place)?;
            if *call == Call::Special && member.is_abstract {
                return Err(format!("abstract in {} here, so there is no body to call", place.name));
            }
            accessible(world, from, place, member)?;
            Ok(world.origin(&place.name))
        }
        Reference::Lambda { interface, name, descriptor } => {
            let Some(interface) = known(world, interface)? else {
                return Ok("jdk");
            };
            if !interface.interface {
                return Err(format!("{} is a class here, a lambda needs an interface", interface.name));
            }
            let lambda = ClassApi {
                name: String::new(),
                interface: false,
                extends: None,
                implements: vec![interface.name.clone()],
                members: vec![Member {
                    name: name.clone(),
                    descriptor: descriptor.clone(),
                    is_static: false,
                    is_abstract: false,
                    access: Access::Public,
                }],
            };
            let missing = abstract_methods(world, interface)
                .into_iter()
                .filter(|(_, member)| own(&lambda, &member.name, &member.descriptor).is_none())
                .map(|(_, member)| member.signature())
                .collect::<Vec<_>>();
            if missing.is_empty() {
                Ok(world.origin(&interface.name))
            } else {
                Err(format!("a lambda does not implement {}", missing.join(", ")))
            }
        }
    }
}

/// The class to look into; `None` when it is the JDK's business.
fn known<'a>(world: &World<'a>, owner: &str) -> Result<Option<&'a ClassApi>, String> {
    if owner.starts_with('[') || is_jdk(owner) {
        return Ok(None);
    }
    match world.get(owner) {
        Some(class) => Ok(Some(class)),
        None => Err(unknown(owner)),
    }
}

fn unknown(name: &str) -> String {
    format!("no such class: {name}")
}

/// A member that no list has: fine only if a class of ours has it from a JDK class without anything of the server's between.
fn inherited_from_jdk<'a>(
    world: &World<'a>,
    owner: &'a ClassApi,
    name: &str,
    what: &str,
) -> Result<&'a str, String> {
    let unlisted = world.unlisted(owner);
    let all_ours = world
        .superclasses(owner)
        .iter()
        .chain(&world.interfaces(owner))
        .all(|one| matches!(world.origin(&one.name), OWN | "jdk"));
    if all_ours && unlisted.is_some_and(is_jdk) {
        return Ok("jdk");
    }
    let mut same_name: Vec<String> = world
        .superclasses(owner)
        .iter()
        .chain(&world.interfaces(owner))
        .flat_map(|class| &class.members)
        .filter(|member| member.name == name)
        .map(Member::signature)
        .collect();
    same_name.sort();
    same_name.dedup();
    Err(match (same_name.is_empty(), unlisted) {
        (false, _) => format!("no such {what}; there is {}", same_name.join(", ")),
        (true, None) => format!("no such {what}"),
        (true, Some(ancestor)) => format!("no such {what}, unless {ancestor} has it, which no list knows"),
    })
}

fn same_static(expected: bool, member: &Member, place: &ClassApi) -> Result<(), String> {
    if expected == member.is_static {
        return Ok(());
    }
    let now = if member.is_static { "static" } else { "not static" };
    Err(format!("{now} in {} here", place.name))
}

fn accessible(world: &World<'_>, from: &ClassApi, place: &ClassApi, member: &Member) -> Result<(), String> {
    let allowed = match member.access {
        Access::Public | Access::Hidden => true,
        Access::Protected => {
            package(&from.name) == package(&place.name)
                || world.get(&from.name).is_some_and(|from| world.is_subclass(from, &place.name))
        }
    };
    if allowed { Ok(()) } else { Err(format!("protected in {} here", place.name)) }
}

fn package(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(package, _)| package)
}

/// A superclass must be a class and an interface an interface, on every version.
fn parents(world: &World<'_>, class: &ClassApi) -> Result<(), (String, String)> {
    let expected = (class.extends.iter().map(|name| (name, false)))
        .chain(class.implements.iter().map(|name| (name, true)));
    for (name, interface) in expected {
        if let Some(parent) = world.get(name)
            && parent.interface != interface
        {
            return Err((
                name.clone(),
                format!("{} here, it was {} when this was compiled", kind(parent.interface), kind(interface)),
            ));
        }
    }
    Ok(())
}

fn missing_bodies(world: &World<'_>, class: &ClassApi) -> Vec<(String, String)> {
    let Some(class) = world.get(&class.name) else {
        return Vec::new();
    };
    let mut missing: Vec<(String, String)> = abstract_methods(world, class)
        .into_iter()
        .filter(|(_, member)| !world.body(class, &member.name, &member.descriptor))
        .map(|(place, member)| {
            (format!("{}.{}", place.name, member.signature()), "abstract here and not implemented".to_owned())
        })
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

fn abstract_methods<'a>(world: &World<'a>, class: &'a ClassApi) -> Vec<(&'a ClassApi, &'a Member)> {
    world
        .superclasses(class)
        .into_iter()
        .chain(world.interfaces(class))
        .flat_map(|place| place.members.iter().map(move |member| (place, member)))
        .filter(|(_, member)| member.is_method() && member.is_abstract)
        // An interface may repeat a method of Object (Comparator.equals); every object has those.
        .filter(|(place, member)| {
            !place.interface
                || world
                    .get("java/lang/Object")
                    .is_none_or(|object| own(object, &member.name, &member.descriptor).is_none())
        })
        .collect()
}

fn overrides(world: &World<'_>, class: &ClassApi) -> Vec<(String, String)> {
    let Some(class) = world.get(&class.name) else {
        return Vec::new();
    };
    let mut above = world.superclasses(class);
    above.extend(world.interfaces(class));
    above.retain(|one| !matches!(world.origin(&one.name), OWN | "jdk"));
    class
        .members
        .iter()
        .filter(|member| member.is_method() && !member.is_static && !member.name.starts_with('<'))
        .filter(|member| above.iter().any(|one| own(one, &member.name, &member.descriptor).is_some()))
        .map(|member| (class.name.clone(), member.signature()))
        .collect()
}

fn kind(interface: bool) -> &'static str {
    if interface { "an interface" } else { "a class" }
}

/// `[[La/B;` is about `a/B`; an array of numbers is about nothing.
fn element(name: &str) -> &str {
    match name.trim_start_matches('[') {
        plain if plain.len() == name.len() => plain,
        array => array.strip_prefix('L').map_or("", |one| one.trim_end_matches(';')),
    }
}

fn describe(reference: &Reference) -> String {
    match reference {
        Reference::Class(name) => element(name).to_owned(),
        Reference::Field { owner, name, descriptor, .. } => format!("{owner}.{name} {descriptor}"),
        Reference::Method { owner, name, descriptor, .. } => format!("{owner}.{name}{descriptor}"),
        Reference::Lambda { interface, name, descriptor } => {
            format!("lambda for {interface}.{name}{descriptor}")
        }
    }
}
