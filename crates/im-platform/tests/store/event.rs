//! Mirror events.

use im_api::event::{Event, EventsAnswer};

use crate::suite;

fn event(id: &str) -> Event {
    let json = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/nodes/n","type":"im.message.chat","time":"2026-11-23T06:36:00.000Z",
            "datacontenttype":"application/json","sequence":"1","data":{{"v":1}}}}"#
    );
    serde_json::from_str(&json).expect("an event")
}

/// An event whose stanza comes from this user.
pub fn about(id: &str, user: &str) -> Event {
    let mut event = event(id);
    let data = format!(r#"{{"v":1,"stanza":{{"from":"{user}/r","to":"other@example.org"}}}}"#);
    event.data = serde_json::value::RawValue::from_string(data).expect("JSON");
    event
}

suite! {
    async fn an_event_is_kept_once_however_often_it_comes(w) {
        let first = w.store.add_events(vec![event("a"), event("b"), event("a")]).await.expect("added");
        assert_eq!(first, EventsAnswer { accepted: 2, duplicates: 1 });
        let second = w.store.add_events(vec![event("b"), event("c")]).await.expect("added");
        assert_eq!(second, EventsAnswer { accepted: 1, duplicates: 1 });
    }
}
