//! vCards (XEP-0054), with the spelling of the wire: capital element names become small keys.

use super::Type::Text;
use super::{Object, Row, flag, object, text};

const VCARD_NS: &str = "vcard-temp";
const X: &str = "XEP-0054";

static NAME: Object = Object::new("vcard_n").rows(&[&[
    text("family", &["FAMILY"], VCARD_NS).doc("Family name", X),
    text("given", &["GIVEN"], VCARD_NS).doc("Given name", X),
    text("middle", &["MIDDLE"], VCARD_NS).doc("Middle name", X),
    text("prefix", &["PREFIX"], VCARD_NS).doc("Title before the name", X),
    text("suffix", &["SUFFIX"], VCARD_NS).doc("Title behind the name", X),
]]);

static BINARY: Object = Object::new("vcard_binary").rows(&[&[
    text("type", &["TYPE"], VCARD_NS).doc("Media type", X),
    text("binval", &["BINVAL"], VCARD_NS).doc("Content, base64", X),
    text("extval", &["EXTVAL"], VCARD_NS).doc("Where it is instead", X),
]]);

static ADR: Object = Object::new("vcard_adr").rows(&[&[
    flag("home", &["HOME"], VCARD_NS).doc("At home", X),
    flag("work", &["WORK"], VCARD_NS).doc("At work", X),
    flag("postal", &["POSTAL"], VCARD_NS).doc("For letters", X),
    flag("parcel", &["PARCEL"], VCARD_NS).doc("For parcels", X),
    flag("dom", &["DOM"], VCARD_NS).doc("Domestic", X),
    flag("intl", &["INTL"], VCARD_NS).doc("International", X),
    flag("pref", &["PREF"], VCARD_NS).doc("Preferred", X),
    text("pobox", &["POBOX"], VCARD_NS).doc("Post office box", X),
    text("extadd", &["EXTADD"], VCARD_NS).doc("Address, second line", X),
    text("street", &["STREET"], VCARD_NS).doc("Street", X),
    text("locality", &["LOCALITY"], VCARD_NS).doc("Town", X),
    text("region", &["REGION"], VCARD_NS).doc("Region", X),
    text("pcode", &["PCODE"], VCARD_NS).doc("Postal code", X),
    text("ctry", &["CTRY"], VCARD_NS).doc("Country", X),
]]);

static TEL: Object = Object::new("vcard_tel").rows(&[&[
    flag("home", &["HOME"], VCARD_NS).doc("At home", X),
    flag("work", &["WORK"], VCARD_NS).doc("At work", X),
    flag("voice", &["VOICE"], VCARD_NS).doc("For speech", X),
    flag("fax", &["FAX"], VCARD_NS).doc("Fax", X),
    flag("pager", &["PAGER"], VCARD_NS).doc("Pager", X),
    flag("msg", &["MSG"], VCARD_NS).doc("Takes messages", X),
    flag("cell", &["CELL"], VCARD_NS).doc("Mobile", X),
    flag("video", &["VIDEO"], VCARD_NS).doc("Video", X),
    flag("bbs", &["BBS"], VCARD_NS).doc("Mailbox system", X),
    flag("modem", &["MODEM"], VCARD_NS).doc("Modem", X),
    flag("isdn", &["ISDN"], VCARD_NS).doc("ISDN", X),
    flag("pcs", &["PCS"], VCARD_NS).doc("PCS", X),
    flag("pref", &["PREF"], VCARD_NS).doc("Preferred", X),
    text("number", &["NUMBER"], VCARD_NS).doc("The number", X),
]]);

static EMAIL: Object = Object::new("vcard_email").rows(&[&[
    flag("home", &["HOME"], VCARD_NS).doc("At home", X),
    flag("work", &["WORK"], VCARD_NS).doc("At work", X),
    flag("internet", &["INTERNET"], VCARD_NS).doc("Internet mail", X),
    flag("pref", &["PREF"], VCARD_NS).doc("Preferred", X),
    flag("x400", &["X400"], VCARD_NS).doc("X.400", X),
    text("userid", &["USERID"], VCARD_NS).doc("The address", X),
]]);

static GEO: Object = Object::new("vcard_geo").rows(&[&[
    text("lat", &["LAT"], VCARD_NS).doc("Latitude", X),
    text("lon", &["LON"], VCARD_NS).doc("Longitude", X),
]]);

static ORG: Object = Object::new("vcard_org").rows(&[&[
    text("orgname", &["ORGNAME"], VCARD_NS).doc("The organisation", X),
    text("orgunits", &["ORGUNIT"], VCARD_NS).list().doc("Units of it", X),
]]);

static KEYWORD: Row = text("keyword", &["KEYWORD"], VCARD_NS).doc("One", X);

static VCARD_OBJECT: Object = Object::new("vcard").attrs(&[super::attr("version", Text)]).rows(&[&[
    text("fn", &["FN"], VCARD_NS).doc("Full name", X),
    object("n", &["N"], VCARD_NS, &NAME).doc("The name in parts", X),
    text("nicknames", &["NICKNAME"], VCARD_NS).list().doc("Nicknames", X),
    object("photo", &["PHOTO"], VCARD_NS, &BINARY).doc("A picture", X),
    text("bday", &["BDAY"], VCARD_NS).doc("Birthday", X),
    object("adr", &["ADR"], VCARD_NS, &ADR).list().doc("Addresses", X),
    object("tel", &["TEL"], VCARD_NS, &TEL).list().doc("Telephones", X),
    object("email", &["EMAIL"], VCARD_NS, &EMAIL).list().doc("E-mail addresses", X),
    text("jabberid", &["JABBERID"], VCARD_NS).doc("JID", X),
    text("mailer", &["MAILER"], VCARD_NS).doc("Mail program", X),
    text("tz", &["TZ"], VCARD_NS).doc("Time zone", X),
    object("geo", &["GEO"], VCARD_NS, &GEO).doc("Position", X),
    text("title", &["TITLE"], VCARD_NS).doc("Job title", X),
    text("role", &["ROLE"], VCARD_NS).doc("Role", X),
    object("logo", &["LOGO"], VCARD_NS, &BINARY).doc("A logo", X),
    object("org", &["ORG"], VCARD_NS, &ORG).doc("Organisation", X),
    super::wrap("categories", &["CATEGORIES"], VCARD_NS, &KEYWORD).doc("Keywords", X),
    text("note", &["NOTE"], VCARD_NS).doc("A note", X),
    text("prodid", &["PRODID"], VCARD_NS).doc("The program", X),
    text("rev", &["REV"], VCARD_NS).doc("Last change", X),
    text("uid", &["UID"], VCARD_NS).doc("Id", X),
    text("urls", &["URL"], VCARD_NS).list().doc("Web pages", X),
    text("desc", &["DESC"], VCARD_NS).doc("About", X),
]]);

/// A vCard, in a stanza or stored.
pub static VCARD: Row = object("vcard", &["vCard"], VCARD_NS, &VCARD_OBJECT).doc("A vCard", X);

/// Rows for vCards directly in a stanza.
pub static ROWS: &[Row] = &[VCARD];
