//! Class files: what a class offers, and what it expects others to offer.
//!
//! Every instruction is looked at, not only the constant pool: whether a method is called as static or on an object stands in the
//! instruction alone, and a reader wants to know which method has the call. What the pool names beyond the instructions (superclass,
//! interfaces, caught exceptions, nested classes) is taken as a use by the class itself.
//! Left out: names in strings (reflection). A class that looks something up by name decides itself what to do without it.

use std::collections::BTreeSet;

use noak::AccessFlags;
use noak::error::DecodeError;
use noak::reader::attributes::RawInstruction as Op;
use noak::reader::cpool::{self, ConstantPool, Item, MethodKind};
use noak::reader::{AttributeContent, Class};

use super::api::{Access, ClassApi, Member};

/// A class that is checked, or that a list is made from.
#[derive(Debug)]
pub struct ClassFile {
    /// What it offers, hidden members included.
    pub api: ClassApi,
    /// Visible outside its package.
    pub public: bool,
    /// Has its own objects: neither abstract nor an interface.
    pub concrete: bool,
    /// The class file's major version: 52 is Java 8.
    pub major: u16,
    /// What it uses, and where.
    pub uses: BTreeSet<Use>,
}

/// One use of something by one method.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The method that has it, with its descriptor; empty for the class itself.
    pub method: String,
    /// What is used.
    pub reference: Reference,
}

/// What a class can refer to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A class by its name.
    Class(String),
    /// A field.
    Field {
        /// The class named at the place of use, not the one that declares it.
        owner: String,
        /// The field's name.
        name: String,
        /// The field's type.
        descriptor: String,
        /// Used without an object.
        is_static: bool,
    },
    /// A method.
    Method {
        /// The class named at the place of use, not the one that declares it.
        owner: String,
        /// The method's name.
        name: String,
        /// Its arguments and result.
        descriptor: String,
        /// How it is called.
        call: Call,
        /// The caller was compiled when the owner was an interface.
        owner_is_interface: bool,
    },
    /// An object of this interface is made from a lambda or method reference that implements one method.
    Lambda {
        /// The interface.
        interface: String,
        /// The one method.
        name: String,
        /// Its arguments and result, erased.
        descriptor: String,
    },
}

/// How a method is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// On an object, whatever its class.
    Virtual,
    /// Without an object.
    Static,
    /// Exactly this one: a constructor or `super.method()`.
    Special,
}

/// Reads one class file.
pub fn read(bytes: &[u8]) -> Result<ClassFile, String> {
    decode(bytes).map_err(|Unreadable(why)| format!("not a readable class file: {why}"))
}

struct Unreadable(String);

impl From<DecodeError> for Unreadable {
    fn from(error: DecodeError) -> Unreadable {
        Unreadable(error.to_string())
    }
}

fn decode(bytes: &[u8]) -> Result<ClassFile, Unreadable> {
    let class = Class::new(bytes)?;
    let pool = class.pool();
    let flags = class.access_flags();
    let interface = flags.contains(AccessFlags::INTERFACE);
    let mut api = ClassApi {
        name: class_name(pool, class.this_class())?,
        interface,
        extends: None,
        implements: Vec::new(),
        members: Vec::new(),
    };
    if let Some(superclass) = class.super_class() {
        let name = class_name(pool, superclass)?;
        if name != "java/lang/Object" {
            api.extends = Some(name);
        }
    }
    for index in class.interfaces() {
        api.implements.push(class_name(pool, index?)?);
    }
    for field in class.fields() {
        let field = field?;
        api.members.push(member(pool, field.name(), field.descriptor(), field.access_flags())?);
    }
    let bootstraps = bootstraps(&class)?;
    let mut uses = BTreeSet::new();
    for method in class.methods() {
        let method = method?;
        let member = member(pool, method.name(), method.descriptor(), method.access_flags())?;
        for attribute in method.attributes() {
            let attribute = attribute?;
            if pool.get(attribute.name())?.content.as_bytes() != b"Code" {
                continue;
            }
            if let AttributeContent::Code(code) = attribute.read_content(pool)? {
                for instruction in code.raw_instructions() {
                    for reference in references(pool, &bootstraps, &instruction?.1)? {
                        uses.insert(Use { method: member.signature(), reference });
                    }
                }
                for handler in code.exception_handlers() {
                    if let Some(caught) = handler.catch_type() {
                        uses.insert(Use {
                            method: member.signature(),
                            reference: Reference::Class(class_name(pool, caught)?),
                        });
                    }
                }
            }
        }
        api.members.push(member);
    }
    let named: BTreeSet<Reference> = uses.iter().map(|one| one.reference.clone()).collect();
    for item in pool.iter() {
        if let Item::Class(class) = item {
            let reference = Reference::Class(text(pool, class.name)?);
            if !named.contains(&reference) {
                uses.insert(Use { method: String::new(), reference });
            }
        }
    }
    Ok(ClassFile {
        public: flags.contains(AccessFlags::PUBLIC),
        concrete: !interface && !flags.contains(AccessFlags::ABSTRACT),
        major: class.version().major,
        api,
        uses,
    })
}

type Name<'i> = cpool::Index<cpool::Utf8<'i>>;

fn text<'i>(pool: &ConstantPool<'i>, index: Name<'i>) -> Result<String, Unreadable> {
    Ok(pool.get(index)?.content.display().to_string())
}

fn class_name<'i>(
    pool: &ConstantPool<'i>,
    index: cpool::Index<cpool::Class<'i>>,
) -> Result<String, Unreadable> {
    text(pool, pool.get(index)?.name)
}

fn member<'i>(
    pool: &ConstantPool<'i>,
    name: Name<'i>,
    descriptor: Name<'i>,
    flags: AccessFlags,
) -> Result<Member, Unreadable> {
    Ok(Member {
        name: text(pool, name)?,
        descriptor: text(pool, descriptor)?,
        is_static: flags.contains(AccessFlags::STATIC),
        is_abstract: flags.contains(AccessFlags::ABSTRACT),
        access: if flags.contains(AccessFlags::PUBLIC) {
            Access::Public
        } else if flags.contains(AccessFlags::PROTECTED) {
            Access::Protected
        } else {
            Access::Hidden
        },
    })
}

/// A bootstrap method's own handle, and its first argument when that is a method type.
struct Bootstrap {
    factory: Option<String>,
    erased: Option<String>,
    handles: Vec<Reference>,
}

fn bootstraps(class: &Class<'_>) -> Result<Vec<Bootstrap>, Unreadable> {
    let pool = class.pool();
    let mut found = Vec::new();
    for attribute in class.attributes() {
        let attribute = attribute?;
        if pool.get(attribute.name())?.content.as_bytes() != b"BootstrapMethods" {
            continue;
        }
        let AttributeContent::BootstrapMethods(methods) = attribute.read_content(pool)? else {
            continue;
        };
        for method in methods.methods() {
            let method = method?;
            let mut bootstrap = Bootstrap { factory: None, erased: None, handles: Vec::new() };
            if let Reference::Method { owner, .. } = handle(pool, pool.get(method.method_ref())?)? {
                bootstrap.factory = Some(owner);
            }
            for (position, argument) in method.arguments().iter().enumerate() {
                match pool.get(argument?)? {
                    Item::MethodType(kind) if position == 0 => {
                        bootstrap.erased = Some(text(pool, kind.descriptor)?)
                    }
                    Item::MethodHandle(one) => bootstrap.handles.push(handle(pool, one)?),
                    _ => {}
                }
            }
            found.push(bootstrap);
        }
    }
    Ok(found)
}

fn handle<'i>(pool: &ConstantPool<'i>, handle: &cpool::MethodHandle<'i>) -> Result<Reference, Unreadable> {
    let item = pool.get(handle.reference)?;
    use MethodKind as Kind;
    match handle.kind {
        Kind::GetField | Kind::PutField => field(pool, item, false),
        Kind::GetStatic | Kind::PutStatic => field(pool, item, true),
        Kind::InvokeStatic => method(pool, item, Call::Static),
        Kind::InvokeSpecial | Kind::NewInvokeSpecial => method(pool, item, Call::Special),
        Kind::InvokeVirtual | Kind::InvokeInterface => method(pool, item, Call::Virtual),
    }
}

fn field<'i>(pool: &ConstantPool<'i>, item: &Item<'i>, is_static: bool) -> Result<Reference, Unreadable> {
    let Item::FieldRef(field) = item else {
        return Err(wrong_item());
    };
    let (name, descriptor) = name_and_type(pool, field.name_and_type)?;
    Ok(Reference::Field { owner: class_name(pool, field.class)?, name, descriptor, is_static })
}

fn method<'i>(pool: &ConstantPool<'i>, item: &Item<'i>, call: Call) -> Result<Reference, Unreadable> {
    let (class, pair, owner_is_interface) = match item {
        Item::MethodRef(one) => (one.class, one.name_and_type, false),
        Item::InterfaceMethodRef(one) => (one.class, one.name_and_type, true),
        _ => return Err(wrong_item()),
    };
    let (name, descriptor) = name_and_type(pool, pair)?;
    Ok(Reference::Method { owner: class_name(pool, class)?, name, descriptor, call, owner_is_interface })
}

fn name_and_type<'i>(
    pool: &ConstantPool<'i>,
    index: cpool::Index<cpool::NameAndType<'i>>,
) -> Result<(String, String), Unreadable> {
    let pair = pool.get(index)?;
    Ok((text(pool, pair.name)?, text(pool, pair.descriptor)?))
}

fn wrong_item() -> Unreadable {
    Unreadable("an instruction points at a constant of another kind".into())
}

fn references<'i>(
    pool: &ConstantPool<'i>,
    bootstraps: &[Bootstrap],
    op: &Op<'i>,
) -> Result<Vec<Reference>, Unreadable> {
    let item = |index: u16| -> Result<&Item<'i>, Unreadable> {
        Ok(pool.get(cpool::Index::<Item<'i>>::new(index)?)?)
    };
    Ok(match op {
        Op::GetStatic { index } | Op::PutStatic { index } => vec![field(pool, item(index.as_u16())?, true)?],
        Op::GetField { index } | Op::PutField { index } => vec![field(pool, item(index.as_u16())?, false)?],
        Op::InvokeVirtual { index } => vec![method(pool, item(index.as_u16())?, Call::Virtual)?],
        Op::InvokeInterface { index, .. } => vec![method(pool, item(index.as_u16())?, Call::Virtual)?],
        Op::InvokeStatic { index } => vec![method(pool, item(index.as_u16())?, Call::Static)?],
        Op::InvokeSpecial { index } => vec![method(pool, item(index.as_u16())?, Call::Special)?],
        Op::New { index }
        | Op::ANewArray { index }
        | Op::CheckCast { index }
        | Op::InstanceOf { index }
        | Op::MultiANewArray { index, .. } => vec![Reference::Class(class_name(pool, *index)?)],
        Op::LdC { index } | Op::LdCW { index } => match item(index.as_u16())? {
            Item::Class(class) => vec![Reference::Class(text(pool, class.name)?)],
            Item::MethodHandle(one) => vec![handle(pool, one)?],
            _ => Vec::new(),
        },
        Op::InvokeDynamic { index } => {
            let Item::InvokeDynamic(dynamic) = item(index.as_u16())? else {
                return Err(wrong_item());
            };
            let Some(bootstrap) = bootstraps.get(usize::from(dynamic.bootstrap_method_attr)) else {
                return Err(wrong_item());
            };
            let mut all = bootstrap.handles.clone();
            let (name, descriptor) = name_and_type(pool, dynamic.name_and_type)?;
            let made = descriptor.rsplit(')').next().unwrap_or_default();
            let interface = made.strip_prefix('L').and_then(|made| made.strip_suffix(';'));
            if let (Some("java/lang/invoke/LambdaMetafactory"), Some(interface), Some(erased)) =
                (bootstrap.factory.as_deref(), interface, &bootstrap.erased)
            {
                all.push(Reference::Lambda {
                    interface: interface.to_owned(),
                    name,
                    descriptor: erased.clone(),
                });
            }
            all
        }
        _ => Vec::new(),
    })
}
