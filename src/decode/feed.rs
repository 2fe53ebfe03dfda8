//! Atom: what a feed lists and where it is, a row each.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::Value;

use super::{Error, Record, xml};

const FORMAT: &str = "Atom";

/// The columns of an entry's row: what it is called for ever, when it changed, where it is, as the feed writes it.
pub(super) const COLUMNS: [&str; 3] = ["id", "updated", "link"];

/// Something that a feed lists.
#[derive(Debug, Clone, Default)]
struct Entry {
    id: String,
    updated: String,
    link: String,
}

impl Entry {
    fn record(self) -> Record {
        let values = [self.id, self.updated, self.link];
        COLUMNS.iter().map(|name| (*name).to_owned()).zip(values.map(Value::String)).collect()
    }
}

/// The entries of a feed. An error where it is no Atom feed, or an entry does not say what or where it is.
pub(super) fn records(bytes: &[u8]) -> Result<Vec<Record>, Error> {
    let refused = |why: String| Error::Unreadable { format: FORMAT, why };
    let text = xml::checked(FORMAT, bytes, xml::Texts::Anywhere)?;
    let mut reader = Reader::from_str(&text);
    let (mut path, mut entries, mut entry) = (Vec::<String>::new(), Vec::new(), Entry::default());
    let mut begun = false;
    loop {
        let event = reader.read_event().map_err(|error| refused(error.to_string()))?;
        // Depth 2 is `feed/entry`, depth 3 what it says of itself.
        let inside = path.get(1).is_some_and(|name| name == "entry");
        match event {
            Event::Eof => break,
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                if path.is_empty() && name != "feed" {
                    return Err(refused(format!("it is a `{name}`")));
                }
                if inside && path.len() == 2 && name == "link" {
                    take_link(&mut entry, &start).map_err(&refused)?;
                }
                begun = true;
                path.push(name);
            }
            Event::Empty(start) if inside && path.len() == 2 && start.local_name().as_ref() == "link" => {
                take_link(&mut entry, &start).map_err(&refused)?;
            }
            Event::End(_) => {
                if path.len() == 2 && inside {
                    let entry = std::mem::take(&mut entry);
                    if entry.id.is_empty() || entry.link.is_empty() {
                        return Err(refused(format!("entry {} has no id or no link", entries.len() + 1)));
                    }
                    entries.push(entry.record());
                }
                path.pop();
            }
            Event::Text(text) => {
                if let Some(value) = field(&mut entry, &path, inside) {
                    value.push_str(text.trim());
                }
            }
            Event::GeneralRef(name) => {
                let text = resolve_predefined_entity(&name).unwrap_or_default();
                if let Some(value) = field(&mut entry, &path, inside) {
                    value.push_str(text);
                }
            }
            _ => {}
        }
    }
    if begun { Ok(entries) } else { Err(refused("there is no feed in it".into())) }
}

/// What the text at this place says.
fn field<'e>(entry: &'e mut Entry, path: &[String], inside: bool) -> Option<&'e mut String> {
    match (inside, path) {
        (true, [_, _, name]) if name == "id" => Some(&mut entry.id),
        (true, [_, _, name]) if name == "updated" => Some(&mut entry.updated),
        _ => None,
    }
}

/// Takes a link; one that says it is an alert wins over others.
fn take_link(entry: &mut Entry, link: &BytesStart<'_>) -> Result<(), String> {
    let attribute = |name: &str| -> Result<Option<String>, String> {
        let found = link.try_get_attribute(name).map_err(|error| error.to_string())?;
        let value = found
            .map(|found| found.normalized_value(XmlVersion::Implicit1_0).map(std::borrow::Cow::into_owned));
        value.transpose().map_err(|error| error.to_string())
    };
    let Some(href) = attribute("href")? else { return Ok(()) };
    let alert = attribute("type")?.is_some_and(|kind| kind.contains("cap+xml"));
    let elsewhere = attribute("rel")?.is_some_and(|rel| rel != "alternate");
    if alert || (entry.link.is_empty() && !elsewhere) {
        entry.link = href;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_feed_lists_what_there_is() {
        let feed = "<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom'><id>f</id><updated>x</updated>\
            <link rel='self' href='http://a.example/feed'/>\
            <entry><id>one&amp;only</id><updated>2026-01-01T00:00:00Z</updated><title>t</title>\
            <link href='http://a.example/1.html'/><link type='application/cap+xml' href='http://a.example/1?a=1&amp;b=2'></link>\
            <content><div><id>not this</id></div></content></entry>\
            <entry><id>two</id><link rel='edit' href='/no'/><link href='/2'/></entry></feed>";
        let one = json!({"id": "one&only", "updated": "2026-01-01T00:00:00Z", "link": "http://a.example/1?a=1&b=2"});
        let two = json!({"id": "two", "updated": "", "link": "/2"});
        assert_eq!(json!(records(feed.as_bytes()).unwrap()), json!([one, two]));
        let empty = "<feed xmlns='http://www.w3.org/2005/Atom'><id>f</id></feed>";
        assert_eq!(records(empty.as_bytes()), Ok(vec![]));
        let why = |text: &str| records(text.as_bytes()).unwrap_err().to_string();
        assert!(why("<rss><channel/></rss>").contains("it is a `rss`"));
        assert!(why("<feed><entry><id>1</id></entry></feed>").contains("entry 1"));
        assert!(why("<!DOCTYPE feed><feed></feed>").contains("DOCTYPE"));
        assert!(why("no XML").contains("no feed"));
    }
}
