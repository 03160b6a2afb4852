//! The table made quick to look things up in: namespaces as numbers, elements by (namespace, name), keys by hash. Built once, on first use.
//!
//! Leaves out: any knowledge that is not in the table.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::table::{self, ANY, Object, Row, Shape};
use crate::stanza::chars::same;

/// Number of a namespace that the table names; 0 = any other.
pub(super) type NsId = u16;

/// The table, ready for use.
pub(super) struct Plan {
    objects: Vec<PlanObject>,
    namespaces: Index<NsId>,
    kinds: [u16; 3],
    /// Number of `jabber:client`.
    pub client: NsId,
}

/// An object, its references resolved.
pub(super) struct PlanObject {
    pub def: &'static Object,
    pub rows: Vec<PlanRow>,
    /// Some row has a companion key.
    pub has_companions: bool,
    /// Some attribute has a default.
    pub has_defaults: bool,
    /// `,"key":` of each attribute.
    pub attr_keys: Vec<Box<[u8]>>,
    /// `,"key":` of the text, `,"name_key":` of the name.
    pub text_key: Box<[u8]>,
    pub name_key: Box<[u8]>,
    /// Rows by element name and namespace number; a list each, because several rows may name the same element.
    elements: Index<Box<[u16]>>,
    /// Rows that take any name, for each namespace that some row of the object names.
    any_name: Vec<(NsId, Box<[u16]>)>,
    /// Rows that take any namespace which the object does not name.
    any_ns: Vec<u16>,
    keys: Index<Box<[Member]>>,
}

/// A row, its references resolved.
pub(super) struct PlanRow {
    pub def: &'static Row,
    /// `,"key":`.
    pub key: Box<[u8]>,
    /// `,"key":` of the companion of a [`Shape::Name`].
    pub also_key: Box<[u8]>,
    /// Number of its namespace.
    pub ns: NsId,
    /// Index of the first row with the same key: of those, one element only.
    pub group: u16,
    /// Index of the object for [`Shape::Object`].
    pub object: u16,
    /// The inner row of a [`Shape::Wrap`].
    pub inner: Option<Box<PlanRow>>,
}

/// What a key of an object stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Attr(u16),
    Row(u16),
    Text,
    /// The element's name.
    Name,
    /// The companion of the [`Shape::Name`] row of this number.
    Also(u16),
    /// `a`, `rest`, `order`, `v`.
    Attributes,
    Rest,
    Order,
    Version,
}

static PLAN: LazyLock<Plan> = LazyLock::new(Plan::build);

impl Plan {
    pub(super) fn get() -> &'static Plan {
        &PLAN
    }

    #[inline]
    pub(super) fn object(&self, index: u16) -> &PlanObject {
        &self.objects[index as usize]
    }

    /// How many namespaces the table names.
    pub(super) fn namespaces(&self) -> usize {
        self.namespaces.entries.len()
    }

    /// The object of a stanza, by its kind.
    pub(super) fn stanza(&self, kind: crate::stanza::Kind) -> u16 {
        self.kinds[kind as usize]
    }

    #[inline]
    pub(super) fn ns(&self, uri: &str) -> NsId {
        self.namespaces.get(uri, 0).copied().unwrap_or(0)
    }

    fn build() -> Plan {
        let mut builder = Builder::default();
        let kinds = [&table::MESSAGE, &table::PRESENCE, &table::IQ].map(|object| builder.object(object));
        let objects = builder.objects.into_iter().flatten().collect();
        let client = builder.namespaces.get(table::CLIENT).copied().unwrap_or(0);
        Plan {
            objects,
            namespaces: Index::new(builder.namespaces.into_iter().map(|(uri, id)| (uri, 0, id)).collect()),
            kinds,
            client,
        }
    }
}

#[derive(Default)]
struct Builder {
    objects: Vec<Option<PlanObject>>,
    known: HashMap<*const Object, u16>,
    namespaces: HashMap<&'static str, NsId>,
}

impl Builder {
    fn ns(&mut self, uri: &'static str) -> NsId {
        let next = self.namespaces.len() as NsId + 1;
        *self.namespaces.entry(uri).or_insert(next)
    }

    fn object(&mut self, def: &'static Object) -> u16 {
        let address = std::ptr::from_ref(def);
        if let Some(index) = self.known.get(&address) {
            return *index;
        }
        let index = self.objects.len() as u16;
        self.known.insert(address, index);
        self.objects.push(None);
        let mut rows: Vec<PlanRow> = def.all_rows().map(|row| self.row(row)).collect();
        for at in 0..rows.len() {
            let first = rows.iter().position(|row| row.def.key == rows[at].def.key);
            rows[at].group = first.unwrap_or(at) as u16;
        }
        assert!(rows.len() < 250, "{}: more rows than the encoder's bit set holds", def.name);

        let mut by_name: Vec<((&'static str, NsId), Vec<u16>)> = Vec::new();
        let (mut any_name, mut any_ns): (Vec<(NsId, Vec<u16>)>, Vec<u16>) = Default::default();
        for (at, row) in rows.iter().enumerate() {
            let at = at as u16;
            if row.def.ns == ANY {
                any_ns.push(at);
                continue;
            }
            let ns = self.ns(row.def.ns);
            let of_ns = match any_name.iter_mut().position(|(of, _)| *of == ns) {
                Some(found) => found,
                None => {
                    any_name.push((ns, Vec::new()));
                    any_name.len() - 1
                }
            };
            if row.def.names.is_empty() {
                any_name[of_ns].1.push(at);
            }
            for name in row.def.names {
                match by_name.iter_mut().find(|(key, _)| *key == (*name, ns)) {
                    Some((_, list)) => list.push(at),
                    None => by_name.push(((name, ns), vec![at])),
                }
            }
        }
        // Rows for any name come after those that name the element.
        let elements = by_name.into_iter().map(|((name, ns), mut rows)| {
            rows.extend(any_name.iter().filter(|(of, _)| *of == ns).flat_map(|(_, rows)| rows));
            (name, ns, rows.into_boxed_slice())
        });
        let elements = Index::new(elements.collect());

        let mut keys: Vec<(&'static str, Vec<Member>)> = vec![
            ("a", vec![Member::Attributes]),
            ("rest", vec![Member::Rest]),
            ("order", vec![Member::Order]),
        ];
        if def.name_key == "kind"
            && !def.groups.is_empty()
            && def.groups.as_ptr() == table::STANZA_ROWS.as_ptr()
        {
            keys.push(("v", vec![Member::Version]));
        }
        let mut add = |key: &'static str, member: Member| match keys.iter_mut().find(|(k, _)| *k == key) {
            None => keys.push((key, vec![member])),
            Some((_, list)) => {
                let rows =
                    matches!(member, Member::Row(_)) && list.iter().all(|m| matches!(m, Member::Row(_)));
                assert!(rows, "{}: the key {key} twice", def.name);
                list.push(member);
            }
        };
        if !def.name_key.is_empty() {
            add(def.name_key, Member::Name);
        }
        if let Some((key, _)) = def.text {
            add(key, Member::Text);
        }
        for (at, attr) in def.attrs.iter().enumerate() {
            add(attr.key, Member::Attr(at as u16));
        }
        for (at, row) in rows.iter().enumerate() {
            add(row.def.key, Member::Row(at as u16));
            if let Some(also) = also(row.def) {
                add(also, Member::Also(at as u16));
            }
        }
        self.objects[index as usize] = Some(PlanObject {
            def,
            has_companions: def.all_rows().any(|row| also(row).is_some()),
            has_defaults: def.attrs.iter().any(|attr| !attr.default.is_empty()),
            attr_keys: def.attrs.iter().map(|attr| member_key(attr.key)).collect(),
            text_key: member_key(def.text.map_or("", |(key, _)| key)),
            name_key: member_key(def.name_key),
            elements,
            any_name: any_name.into_iter().map(|(ns, rows)| (ns, rows.into_boxed_slice())).collect(),
            any_ns,
            keys: Index::new(keys.into_iter().map(|(key, list)| (key, 0, list.into_boxed_slice())).collect()),
            rows,
        });
        index
    }

    fn row(&mut self, def: &'static Row) -> PlanRow {
        let ns = if def.ns == ANY { 0 } else { self.ns(def.ns) };
        let (object, inner) = match def.shape {
            Shape::Object(object) => (self.object(object), None),
            Shape::Wrap(inner) => (0, Some(Box::new(self.row(inner)))),
            _ => (0, None),
        };
        PlanRow {
            def,
            key: member_key(def.key),
            also_key: member_key(also(def).unwrap_or("")),
            ns,
            group: 0,
            object,
            inner,
        }
    }
}

fn also(row: &Row) -> Option<&'static str> {
    match row.shape {
        Shape::Name(table::Also::Text(key) | table::Also::Name(key)) => Some(key),
        _ => None,
    }
}

fn member_key(key: &str) -> Box<[u8]> {
    format!(",\"{key}\":").into_bytes().into()
}

impl PlanObject {
    /// The rows that may take an element, in the order in which they are tried.
    #[inline]
    pub(super) fn candidates(&self, name: &str, ns: NsId) -> &[u16] {
        if ns != 0 {
            if let Some(rows) = self.elements.get(name, ns) {
                return rows;
            }
            if let Some((_, rows)) = self.any_name.iter().find(|(of, _)| *of == ns) {
                return rows;
            }
        }
        &self.any_ns
    }

    /// What a key stands for; several rows only when the element's name tells them apart.
    pub(super) fn key(&self, key: &str) -> &[Member] {
        self.keys.get(key, 0).map_or(&[], |list| list)
    }
}

/// A small hash index from names, and a number beside each, to values.
struct Index<V> {
    mask: usize,
    slots: Vec<u16>,
    entries: Vec<(&'static str, u16, V)>,
}

impl<V> Index<V> {
    fn new(entries: Vec<(&'static str, u16, V)>) -> Index<V> {
        let mask = (entries.len() * 4).next_power_of_two().max(4) - 1;
        let mut slots = vec![u16::MAX; mask + 1];
        for (at, (name, beside, _)) in entries.iter().enumerate() {
            let mut slot = hash(name, *beside) & mask;
            while slots[slot] != u16::MAX {
                slot = (slot + 1) & mask;
            }
            slots[slot] = at as u16;
        }
        Index { mask, slots, entries }
    }

    #[inline]
    fn get(&self, name: &str, beside: u16) -> Option<&V> {
        let mut slot = hash(name, beside) & self.mask;
        loop {
            let entry = self.entries.get(usize::from(self.slots[slot]))?;
            if entry.1 == beside && same(entry.0, name) {
                return Some(&entry.2);
            }
            slot = (slot + 1) & self.mask;
        }
    }
}

/// Length, first, last and middle bytes: enough to spread a few hundred names.
#[inline]
fn hash(name: &str, beside: u16) -> usize {
    let bytes = name.as_bytes();
    let Some((first, last)) = bytes.first().zip(bytes.last()) else { return 0 };
    let middle = bytes[bytes.len() / 2];
    let third = bytes[bytes.len() / 3];
    let late = bytes[bytes.len() * 3 / 4];
    let mix = u64::from(*first)
        | u64::from(*last) << 8
        | u64::from(middle) << 16
        | u64::from(third) << 24
        | u64::from(late) << 32
        | (bytes.len() as u64) << 40
        | u64::from(beside) << 48;
    (mix.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_built_and_finds_its_rows() {
        let plan = Plan::get();
        for object in &plan.objects {
            for (at, row) in object.rows.iter().enumerate() {
                assert!(
                    !row.def.doc.is_empty() && !row.def.source.is_empty(),
                    "{}.{}: undocumented",
                    object.def.name,
                    row.def.key
                );
                let ns = plan.ns(row.def.ns);
                for name in row.def.names {
                    assert!(
                        object.candidates(name, ns).contains(&(at as u16)),
                        "{}.{}",
                        object.def.name,
                        row.def.key
                    );
                }
                assert!(object.key(row.def.key).contains(&Member::Row(at as u16)));
            }
        }
    }

    #[test]
    fn object_names_are_unique() {
        let mut names: Vec<_> = Plan::get().objects.iter().map(|o| o.def.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
