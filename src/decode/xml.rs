//! What every XML document from outside must hold to before it is read: no declarations of its own, no towers.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::Error;

/// The largest document, in bytes.
const MAX_BYTES: usize = 8 << 20;
/// Levels of elements.
const MAX_DEPTH: usize = 64;

/// Where a document's texts may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    /// Anywhere.
    Anywhere,
    /// In elements that hold no others: a reader that expects either may wait for ever where it finds both.
    Apart,
}

/// The text of a document that may be read. `DOCTYPE`, and with it every entity but XML's own five, is refused.
pub(super) fn checked<'a>(
    format: &'static str,
    bytes: &'a [u8],
    texts: Texts,
) -> Result<Cow<'a, str>, Error> {
    let refused = |why: String| Error::Unreadable { format, why };
    if bytes.len() > MAX_BYTES {
        return Err(refused(format!("it is larger than {MAX_BYTES} bytes")));
    }
    let text = without_declaration(
        decoded(bytes).ok_or_else(|| refused("it is not in the encoding that it names".into()))?,
    );
    let mut reader = Reader::from_str(&text);
    // Of the document and each open element: whether an element, and whether a text, was in it.
    let mut open = vec![(false, false)];
    loop {
        let event = reader.read_event().map_err(|error| refused(error.to_string()))?;
        let (element, words) = match &event {
            Event::Start(_) | Event::Empty(_) => (true, false),
            Event::Text(text) => (false, !text.bytes().all(|byte| byte.is_ascii_whitespace())),
            Event::CData(_) | Event::GeneralRef(_) => (false, true),
            _ => (false, false),
        };
        if let Some(holds) = open.last_mut() {
            *holds = (holds.0 || element, holds.1 || words);
            if *holds == (true, true) && texts == Texts::Apart {
                return Err(refused("it has text between elements".into()));
            }
        }
        match event {
            Event::DocType(_) => return Err(refused("it has a DOCTYPE, which is not taken".into())),
            Event::Start(_) if open.len() > MAX_DEPTH => {
                return Err(refused(format!("it has more than {MAX_DEPTH} levels")));
            }
            Event::Start(_) => open.push((false, false)),
            Event::End(_) => drop(open.pop()),
            Event::Eof if open.len() > 1 => return Err(refused("it breaks off".into())),
            Event::Eof => break,
            _ => {}
        }
    }
    Ok(text)
}

/// As text: in the encoding that the declaration names, else in UTF-8.
fn decoded(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let head = bytes.get(..bytes.len().min(200)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let declaration = head.trim_start_matches('\u{feff}').trim_start().strip_prefix("<?xml");
    let named = declaration.and_then(|rest| rest.split_once("?>")).and_then(|(rest, _)| {
        let (_, value) = rest.split_once("encoding")?;
        let value = value.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value.split(quote).nth(1).map(str::to_owned)
    });
    let encoding = match named {
        Some(name) => encoding_rs::Encoding::for_label(name.as_bytes())?,
        None => encoding_rs::UTF_8,
    };
    let (text, _, broken) = encoding.decode(bytes);
    (!broken).then_some(text)
}

/// The text is decoded: a declaration that says otherwise is in the way.
fn without_declaration(text: Cow<'_, str>) -> Cow<'_, str> {
    let trimmed = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let rest = match trimmed.strip_prefix("<?xml ").and_then(|rest| rest.split_once("?>")) {
        Some((_, rest)) => rest,
        None => trimmed,
    };
    Cow::Owned(rest.trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_elements_is_refused_and_space_is_not() {
        for sound in
            ["<a> <b>x</b>\n<c/> </a>", "<a>x<!-- y --></a>", "<a><b>&lt;</b><b><![CDATA[x]]></b></a>"]
        {
            assert_eq!(checked("XML", sound.as_bytes(), Texts::Apart).unwrap(), sound);
        }
        for mixed in
            ["<a><b>x</b>2</a>", "<a>2<b/></a>", "<a><b/>&lt;</a>", "<a><b/><![CDATA[ ]]></a>", "x<a/>"]
        {
            let told = checked("XML", mixed.as_bytes(), Texts::Apart).unwrap_err().to_string();
            assert!(told.ends_with("it has text between elements"), "{mixed}: {told}");
        }
    }

    #[test]
    fn a_document_is_text_without_doctype_and_towers() {
        let why = |bytes: &[u8]| checked("XML", bytes, Texts::Anywhere).unwrap_err().to_string();
        assert_eq!(
            checked("XML", b"\xef\xbb\xbf<?xml version='1.0'?>\n<a>&lt;</a>", Texts::Anywhere).unwrap(),
            "<a>&lt;</a>"
        );
        let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>";
        assert_eq!(checked("XML", latin, Texts::Anywhere).unwrap(), "<a>é</a>");
        assert!(why(b"<a>\xe9</a>").contains("encoding"));
        assert!(why(b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>").contains("DOCTYPE"));
        assert!(why("<a>".repeat(65).as_bytes()).contains("more than 64 levels"));
        assert!(why(b"<a><b></a>").contains("XML"));
        assert!(why(b"<a>").contains("breaks off"));
    }
}
