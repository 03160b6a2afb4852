//! The corpus of the bench: thirteen kinds of stanza that a server really carries, 215 bytes to 160 kB.

/// Name and XML.
pub fn kinds() -> Vec<(&'static str, String)> {
    let kinds = vec![
        ("chat", CHAT.to_owned()),
        ("presence", PRESENCE.to_owned()),
        ("join", JOIN.to_owned()),
        ("groupchat", GROUPCHAT.to_owned()),
        ("rosterset", ROSTER_SET.to_owned()),
        ("omemo", omemo()),
        ("pep", PEP.to_owned()),
        ("mam", MAM.to_owned()),
        ("register", REGISTER.to_owned()),
        ("disco", disco()),
        ("roster100", roster(100)),
        ("body16k", body(16_000)),
        ("body160k", body(160_000)),
    ];
    kinds.into_iter().map(|(name, xml)| (name, xml.replace('\n', ""))).collect()
}

const CHAT: &str = "<message xmlns='jabber:client' from='mei@lotus.example/phone' to='tariq@lotus.example' type='chat' id='m-7f3a'>\
<body>Are you at the station &amp; dry?</body><active xmlns='http://jabber.org/protocol/chatstates'/>\
<request xmlns='urn:xmpp:receipts'/></message>";

const PRESENCE: &str = "<presence xmlns='jabber:client' from='mei@lotus.example/phone' id='p12'><show>away</show><status>In the garden</status>\
<priority>5</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.lotus.example' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>\
<x xmlns='vcard-temp:x:update'><photo>01b87fcd030b72895ff8e88db57ec525450f000d</photo></x></presence>";

const JOIN: &str = "<presence xmlns='jabber:client' from='garden@rooms.lotus.example/Mei' to='tariq@lotus.example/desk' id='n13mt3l'>\
<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant' jid='mei@lotus.example/phone'/>\
<status code='110'/></x></presence>";

const GROUPCHAT: &str = "<message xmlns='jabber:client' from='garden@rooms.lotus.example/Mei' to='tariq@lotus.example/desk' type='groupchat' id='o1'>\
<body>The roses are out, come and see them before the rain does.</body><origin-id xmlns='urn:xmpp:sid:0' id='o1'/>\
<stanza-id xmlns='urn:xmpp:sid:0' by='garden@rooms.lotus.example' id='5f3dbc5e-e1d3-4077-a492-693f3769c7ad'/>\
<occupant-id xmlns='urn:xmpp:occupant-id:0' id='dd72603deec90a38ba552f7c68cbcc61bca202cd'/></message>";

const ROSTER_SET: &str = "<iq xmlns='jabber:client' type='set' id='ph1xaz53' from='mei@lotus.example/phone'><query xmlns='jabber:iq:roster'>\
<item jid='wei@lotus.example' name='Wei'><group>Work</group><group>Garden</group></item></query></iq>";

const PEP: &str = "<iq xmlns='jabber:client' type='set' id='pub2' from='mei@lotus.example/phone'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
<publish node='urn:xmpp:microblog:0'><item id='2'><entry xmlns='http://www.w3.org/2005/Atom'><title type='text'>Roses by the pond, all of them red</title>\
<id>tag:lotus.example,2026:2</id><published>2026-05-08T18:38:02Z</published><updated>2026-05-08T18:38:02Z</updated>\
<author><name>Mei</name><uri>xmpp:mei@lotus.example</uri></author><link rel='alternate' type='text/html' href='https://blog.lotus.example/2'/>\
<category term='roses'/><geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>31.32</lat><lon>120.62</lon><accuracy>20</accuracy>\
<locality>Suzhou</locality><country>China</country></geoloc></entry></item></publish><publish-options>\
<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>\
<field var='pubsub#access_model'><value>presence</value></field></x></publish-options></pubsub></iq>";

const MAM: &str = "<message xmlns='jabber:client' id='aeb213' to='mei@lotus.example/phone'><result xmlns='urn:xmpp:mam:2' queryid='f27' id='28482-98726-73623'>\
<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-07-10T23:08:25Z'/>\
<message xmlns='jabber:client' to='mei@lotus.example/balcony' from='tariq@lotus.example/orchard' type='chat' id='8a9b'><body>Call me when you are back \"home\"</body>\
<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/></message></forwarded></result></message>";

const REGISTER: &str = "<iq xmlns='jabber:client' type='result' id='reg3' from='lotus.example' to='mei@lotus.example/phone'><query xmlns='jabber:iq:register'>\
<instructions>Choose a name and a password for the service.</instructions><username/><password/><email/>\
<x xmlns='jabber:x:data' type='form'><title>Registration</title><instructions>Please fill in the form.</instructions>\
<field type='hidden' var='FORM_TYPE'><value>jabber:iq:register</value></field>\
<field type='text-single' label='Name' var='username'><required/></field><field type='text-private' label='Password' var='password'><required/></field>\
<field type='text-single' label='E-mail' var='email'/><field type='list-single' label='Language' var='lang'><value>en</value>\
<option label='English'><value>en</value></option><option label='Deutsch'><value>de</value></option><option label='中文'><value>zh</value></option></field></x></query></iq>";

fn omemo() -> String {
    let keys: String = (0..6)
        .map(|n| format!("<key rid='{}'>MwohBfQ0LF2yHj7Qe{n}M1cYp4kq1x3sVn0a8dPzJmQk2hUuX5oGgEAAYACIxAbbbbccccddddeeee{n}ffffgggg==</key>", 31415 + n))
        .collect();
    format!(
        "<message xmlns='jabber:client' from='mei@lotus.example/phone' to='tariq@lotus.example' type='chat' id='om1'>\
         <encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'>{keys}<iv>EjRWeJq83vASNFZ4</iv></header>\
         <payload>U2hhbGwgd2UgbWVldCBhdCB0aGUgcG9uZCB0b21vcnJvdyBtb3JuaW5nPw==</payload></encrypted>\
         <encryption xmlns='urn:xmpp:eme:0' name='OMEMO' namespace='eu.siacs.conversations.axolotl'/><body>I sent you an OMEMO encrypted message.</body>\
         <store xmlns='urn:xmpp:hints'/></message>"
    )
}

fn disco() -> String {
    let features: String =
        (0..60).map(|n| format!("<feature var='urn:xmpp:feature-number-{n}:0'/>")).collect();
    format!(
        "<iq xmlns='jabber:client' type='result' id='info1' from='lotus.example' to='mei@lotus.example/phone'>\
         <query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im' name='Lotus'/>\
         <identity category='pubsub' type='pep'/>{features}</query></iq>"
    )
}

fn roster(contacts: usize) -> String {
    let items: String = (0..contacts)
        .map(|n| format!("<item jid='contact{n}@lotus.example' name='Contact Number {n}' subscription='both'><group>Group {}</group></item>", n % 7))
        .collect();
    format!(
        "<iq xmlns='jabber:client' type='result' id='hu2bac18' to='mei@lotus.example/phone'><query xmlns='jabber:iq:roster' ver='ver11'>{items}</query></iq>"
    )
}

fn body(bytes: usize) -> String {
    const LINE: &str =
        "The quick brown fox & the lazy dog met \"again\" by the pond — 在池塘边 — and talked.\n";
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(LINE);
    }
    let text = text.replace('&', "&amp;").replace('\n', "&#10;");
    format!(
        "<message xmlns='jabber:client' from='mei@lotus.example/phone' to='tariq@lotus.example' type='chat' id='long'><body>{text}</body></message>"
    )
}
