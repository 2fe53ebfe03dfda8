//! How a CSV file is written: encoding, delimiter and decimal sign, told from its beginning. Pure: bytes in, dialect out.

use csv::{ByteRecord, ReaderBuilder};
use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::Request;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Records by which the decimal sign is told.
const RECORDS: usize = 1_000;

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) encoding: &'static Encoding,
    pub(super) byte_order_mark: bool,
    pub(super) delimiter: u8,
    pub(super) decimal_comma: bool,
}

impl Dialect {
    /// The dialect of a file that begins with `sample`; `whole` where there is no more of it.
    pub(super) fn of(sample: &[u8], whole: bool, request: &Request) -> Self {
        let mark = Encoding::for_bom(sample);
        let encoding = mark.map_or_else(|| encoding(sample, whole), |(encoding, _)| encoding);
        let (text, _, _) = encoding.decode(sample);
        let delimiter = delimiter(&text, request);
        let decimal_comma = decimal_comma(&text, delimiter, request);
        Self { encoding, byte_order_mark: mark.is_some(), delimiter, decimal_comma }
    }
}

/// The encoding of text without a mark. One line that is no UTF-8 is a broken line; when most lines are not, and there
/// are several or the headers are among them, the file is written in something else.
fn encoding(sample: &[u8], whole: bool) -> &'static Encoding {
    if let Some(wide) = wide(sample) {
        return wide;
    }
    let mut lines: Vec<&[u8]> = sample.split(|byte| *byte == b'\n').collect();
    if !whole && lines.len() > 1 {
        // The last line is cut, perhaps within a letter.
        lines.pop();
    }
    let (mut good, mut broken) = (0, 0);
    for line in lines.iter().filter(|line| !line.is_ascii()) {
        if std::str::from_utf8(line).is_ok() { good += 1 } else { broken += 1 }
    }
    let headers_broken = lines.first().is_some_and(|line| std::str::from_utf8(line).is_err());
    if broken <= good || (broken < 2 && !headers_broken) {
        return UTF_8;
    }
    let foreign: Vec<&[u8]> = lines.into_iter().filter(|line| !line.is_ascii()).collect();
    let reads = |line: &&&[u8]| GB18030.decode_without_bom_handling_and_without_replacement(line).is_some();
    let chinese = foreign.iter().filter(reads).count();
    let (mut alone, mut together) = (0, 0);
    for run in foreign.iter().flat_map(|line| line.split(u8::is_ascii)).filter(|run| !run.is_empty()) {
        if run.len() == 1 { alone += 1 } else { together += run.len() }
    }
    // Chinese letters are pairs of high bytes; accents of western words mostly stand alone.
    if chinese * 2 > foreign.len() && together > alone { GB18030 } else { WINDOWS_1252 }
}

/// UTF-16 without its mark: headers and numbers leave every other byte empty.
fn wide(sample: &[u8]) -> Option<&'static Encoding> {
    let head = sample.get(..sample.len().min(512))?;
    let empty = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (empty(0), empty(1));
    let many = head.len() / 5;
    if head.len() < 8 {
        None
    } else if odd > many && even == 0 {
        Some(UTF_16LE)
    } else if even > many && odd == 0 {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// The delimiter under which the first line holds most of the wanted headers.
fn delimiter(text: &str, request: &Request) -> u8 {
    let line = text.lines().next().unwrap_or_default().trim_start_matches('\u{feff}');
    let hits = |delimiter: u8| {
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(line.as_bytes());
        let mut record = ByteRecord::new();
        match reader.read_byte_record(&mut record) {
            Ok(true) => {
                request.headers.iter().filter(|h| record.iter().any(|name| name == h.as_bytes())).count()
            }
            _ => 0,
        }
    };
    // The first of equals wins, which is the comma.
    DELIMITERS.into_iter().rev().max_by_key(|&delimiter| hits(delimiter)).unwrap_or(b',')
}

/// Whether numbers have a decimal comma: some do, none has a point, and not all of them could be thousands (`1,234`).
fn decimal_comma(text: &str, delimiter: u8, request: &Request) -> bool {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let mut records = reader.byte_records().map_while(Result::ok);
    let Some(headers) = records.next() else { return false };
    let numeric: Vec<usize> = headers
        .iter()
        .enumerate()
        .filter(|(_, name)| {
            let wanted = request.headers.iter().zip(&request.numeric);
            wanted.into_iter().any(|(header, numeric)| *numeric && header.as_bytes() == *name)
        })
        .map(|(index, _)| index)
        .collect();
    let mut surely = false;
    for record in records.take(RECORDS) {
        for value in numeric.iter().filter_map(|&index| record.get(index)).map(|value| value.trim_ascii()) {
            if value.contains(&b'.') {
                return false;
            }
            surely |= fraction(value).is_some_and(|fraction| fraction.len() != 3);
        }
    }
    surely
}

/// The digits after the one comma of a number.
fn fraction(value: &[u8]) -> Option<&[u8]> {
    let comma = value.iter().position(|byte| *byte == b',')?;
    let (whole, fraction) = (value.get(..comma)?, value.get(comma + 1..)?);
    let whole = whole.strip_prefix(b"-").or_else(|| whole.strip_prefix(b"+")).unwrap_or(whole);
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    (digits(whole) && digits(fraction)).then_some(fraction)
}

/// A number with a decimal comma as one with a point; anything else as it is.
pub(super) fn with_point(value: &str) -> Option<String> {
    fraction(value.trim().as_bytes()).map(|_| value.replacen(',', ".", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            headers: ["名称", "value", "n"].map(str::to_owned).to_vec(),
            required: vec![false; 3],
            numeric: vec![false, true, true],
            point: None,
            limits: crate::decode::Limits::default(),
            sheet: None,
        }
    }

    fn of(sample: &[u8]) -> (&'static str, bool, char, bool) {
        let dialect = Dialect::of(sample, true, &request());
        (
            dialect.encoding.name(),
            dialect.byte_order_mark,
            char::from(dialect.delimiter),
            dialect.decimal_comma,
        )
    }

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        let units = text.encode_utf16();
        units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    }

    #[test]
    fn encodings_are_told_by_mark_and_by_what_reads() {
        let chinese = "名称;value;n\n南通;1,5;2\n如皋;2,25;3\n";
        assert_eq!(of(chinese.as_bytes()), ("UTF-8", false, ';', true));
        assert_eq!(of(format!("\u{feff}{chinese}").as_bytes()), ("UTF-8", true, ';', true));
        assert_eq!(of(&GB18030.encode(chinese).0), ("gb18030", false, ';', true));
        let plain = "name\tvalue\tn\nx\t1.5\t2\n";
        assert_eq!(of(&utf16(plain, true)), ("UTF-16LE", false, '\t', false));
        assert_eq!(of(&utf16(plain, false)), ("UTF-16BE", false, '\t', false));
        assert_eq!(of(&utf16(&format!("\u{feff}{chinese}"), true)), ("UTF-16LE", true, ';', true));
        let french = WINDOWS_1252.encode("name|value|n\ncafé|1|2\nGenève|1|2\nété|1|2\n").0;
        assert_eq!(of(&french), ("windows-1252", false, '|', false));
    }

    #[test]
    fn one_broken_line_is_a_broken_line() {
        assert_eq!(of(b"value,n\n1,2\n\xff,3\n").0, "UTF-8");
        assert_eq!(of("value,n\n南,2\n通,2\n".as_bytes()).0, "UTF-8");
        let mut cut = "value,n\n1,南".as_bytes().to_vec();
        cut.pop();
        assert_eq!(Dialect::of(&cut, false, &request()).encoding, UTF_8);
    }

    #[test]
    fn a_decimal_comma_is_told_only_where_there_is_no_doubt() {
        assert!(of(b"value;n\n1,5;2\n").3);
        assert!(of(b"value,n\n\"1,5\",2\n").3);
        assert!(!of(b"value;n\n1,234;2\n").3, "thousands, perhaps");
        assert!(!of(b"value;n\n1,5;2\n1.5;2\n").3, "both");
        assert!(!of("名称;n\n1,5;2\n".as_bytes()).3, "text");
        assert_eq!(with_point("-1,5").as_deref(), Some("-1.5"));
        assert_eq!([with_point("1.5"), with_point("1,2,3"), with_point("a,b")], [None, None, None]);
    }
}
