//! What passes between parent and child, and what the parent makes of a child that is not as it must be.

use std::io::Cursor;

use arrow::array::{ArrayRef, ListArray, StringArray};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;

use super::frame::{self, DocumentsRequest, End, Expected, Message};
use super::*;
use crate::decode::{Bound, Document, Error, Payload, Rows, Unreadable};

fn request() -> Request {
    Request {
        headers: vec!["a".into()],
        required: vec![true],
        numeric: vec![false],
        point: None,
        limits: Limits { cell: 8, ..Limits::default() },
        sheet: None,
    }
}

fn rows(name: &str, column: ArrayRef) -> Rows {
    let numbers = (1..=i64::try_from(column.len()).unwrap()).collect();
    let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
    let unreadable = vec![Unreadable { number: 7, text: "x".into(), why: "y".into() }];
    Rows { batch, numbers, unreadable }
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn sent(rows: Rows) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_rows(&mut bytes, rows, 42).unwrap();
    bytes
}

fn heard(bytes: &[u8]) -> Result<Message, String> {
    let request = request();
    frame::read_message(&mut Cursor::new(bytes), Expected::File(&request)).map_err(|error| error.to_string())
}

/// What is believed of a child that was asked for messages.
fn heard_of_messages(bytes: &[u8]) -> Result<Message, String> {
    let document = Document::Messages(decode::MessageOptions::default());
    let (names, limits) = (["a", "b"].into_iter().collect(), Limits { columns: 2, ..request().limits });
    let request = DocumentsRequest { document: &document, names: &names, limits: &limits };
    let said = frame::read_message(&mut Cursor::new(bytes), Expected::Documents(request));
    said.map_err(|error| error.to_string())
}

#[test]
fn rows_come_as_they_went() {
    let Message::Rows { rows: came, read } = heard(&sent(rows("a", text(&["1", "南通"])))).unwrap() else {
        panic!("no rows")
    };
    let went = rows("a", text(&["1", "南通"]));
    assert_eq!((came.batch.column(0), came.numbers, read), (went.batch.column(0), vec![1, 2], 42));
    assert_eq!(came.unreadable, went.unreadable);
}

#[test]
fn a_child_is_not_believed() {
    assert!(heard(&sent(rows("b", text(&["1"])))).unwrap_err().contains("other columns"));
    assert!(heard(&sent(rows("a", text(&["123456789"])))).unwrap_err().contains("longer than 8 bytes"));
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    assert!(heard(&sent(rows("a", Arc::new(list)))).unwrap_err().contains("a column of List"));
    assert!(heard(&[3, 0xff, 0xff, 0xff, 0xff]).unwrap_err().contains("too long"));
    assert!(heard(&[9, 0, 0, 0, 0]).unwrap_err().contains("no known kind"));
    assert!(heard(&[3, 4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).unwrap_err().contains("cut"));
}

#[test]
fn a_child_that_reads_messages_is_not_believed_either() {
    let batch = |names: &[&str]| {
        let columns = names.iter().map(|name| (*name, text(&["1"])));
        Rows::of(RecordBatch::try_from_iter(columns).unwrap())
    };
    for names in [["a"].as_slice(), &["a [mi/h]"], &["a", "b"], &["b", "b [m]"]] {
        let Message::Rows { rows, .. } = heard_of_messages(&sent(batch(names))).unwrap() else {
            panic!("no rows")
        };
        assert_eq!(rows, batch(names));
    }
    for names in [["c"].as_slice(), &["b", "a"], &["a", "a"], &["a", "a [m]", "b"], &["a", ""]] {
        let told = heard_of_messages(&sent(batch(names))).unwrap_err();
        assert!(told.contains("other columns"), "{names:?}: {told}");
    }
    let numbers: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![1]));
    assert!(heard_of_messages(&sent(rows("a", numbers))).unwrap_err().contains("a column of Int64"));
    assert!(heard_of_messages(&sent(rows("a", text(&["123456789"])))).unwrap_err().contains("longer than 8"));
    let nothing = Rows::of(rows("a", text(&["1"])).batch.project(&[]).unwrap());
    let Message::Rows { rows, .. } = heard_of_messages(&sent(nothing)).unwrap() else { panic!("no rows") };
    assert_eq!(rows.batch.num_rows(), 1, "a row without values is a row");
}

#[test]
fn documents_come_as_they_went() {
    let payload = |topic: &str, bytes: &'static [u8]| Payload { topic: topic.into(), bytes: bytes.into() };
    let payloads = vec![payload("one", b"{}"), payload("", b""), payload("two", b"\xff")];
    let mut bytes = Vec::new();
    frame::write_documents(&mut bytes, &Document::Cap, &payloads).unwrap();
    let whole = bytes.clone();
    assert_eq!(frame::read_documents(&mut whole.as_slice()).unwrap(), Some((Document::Cap, payloads)));
    assert_eq!(frame::read_documents(&mut [].as_slice()).unwrap(), None);
    for at in 0..whole.len() {
        bytes[at] ^= 0xff;
        drop(frame::read_documents(&mut bytes.as_slice()));
        bytes[at] ^= 0xff;
    }
}

#[test]
fn a_frame_with_any_byte_changed_is_rows_or_an_error() {
    let whole = sent(rows("a", text(&["1", "南通", "x"])));
    for at in 0..whole.len() {
        for change in [1, 0x40, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            if let Ok(Message::Rows { rows, .. }) = heard(&bytes) {
                assert_eq!(rows.batch.num_columns(), 1);
                assert_eq!(rows.batch.num_rows(), rows.numbers.len());
            }
        }
        assert!(heard(&whole[..at]).is_err());
    }
}

#[test]
fn endings_come_as_they_went() {
    for error in [
        Error::Unreadable { format: "CSV", why: "why".into() },
        Error::ColumnMissing { headers: vec!["a".into()], found: "`b`".into() },
        Error::Beyond { bound: Bound::Rows, most: 3 },
        Error::FormatUnknown("a.bin".into()),
        Error::Scratch("why".into()),
        Error::Empty,
    ] {
        let mut bytes = Vec::new();
        frame::write_end(&mut bytes, &End::from(Err(error.clone()))).unwrap();
        let Message::End(end) = heard(&bytes).unwrap() else { panic!("no end") };
        assert_eq!(Result::<Option<ReadAs>, _>::from(end), Err(error));
    }
}

#[cfg(target_os = "linux")]
mod endings {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What becomes of a file whose decoder is a script that ends as it says.
    fn ended(script: &str, resources: ResourceLimits) -> Error {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("decoder");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let decoder = Decoder::child(program, Limits::default(), resources);
        let file = tempfile::tempfile().unwrap();
        decoder.decode("a.csv", file, &request(), &Arc::default(), &mut |_| Ok(())).unwrap_err()
    }

    fn bound_of(error: &Error) -> Option<Bound> {
        if let Error::Beyond { bound, .. } = error { Some(*bound) } else { None }
    }

    /// A script as a decoder, and where it notes its starts.
    fn scripted(folder: &std::path::Path, script: &str) -> (PathBuf, PathBuf) {
        let (program, started) = (folder.join("decoder"), folder.join("started"));
        let script = format!("#!/bin/sh\necho . >> {}\n{script}\n", started.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        (program, started)
    }

    /// It answers that there is nothing.
    const NOTHING: &str = r#"printf '\004\015\000\000\000{"Read":null}' >&1"#;

    /// A child that ends before it reads a second time is no reason to refuse what comes then.
    #[test]
    fn a_child_that_is_gone_is_another_childs_reason_to_start() {
        let folder = tempfile::tempdir().unwrap();
        let (program, started) = scripted(folder.path(), NOTHING);
        let decoder = Decoder::child(program, Limits::default(), ResourceLimits::default());
        let reader = decoder.reader(["a"].into_iter().collect());
        let messages = Document::Messages(decode::MessageOptions::default());
        for _ in 0..3 {
            assert_eq!(reader.read(&messages, &[Payload::whole("{}")]), Ok(Rows::none()));
        }
        assert_eq!(std::fs::read_to_string(&started).unwrap().lines().count(), 3);
    }

    /// The only child that may read files is busy; a live source is read all the same.
    #[test]
    fn a_live_source_does_not_wait_for_files() {
        let folder = tempfile::tempdir().unwrap();
        let enough = folder.path().join("enough");
        let busy = format!(
            "if [ -s /dev/stdin ]; then while [ ! -e {} ]; do sleep 0.05; done; fi",
            enough.display()
        );
        let (program, started) = scripted(folder.path(), &format!("{busy}\n{NOTHING}"));
        let resources = ResourceLimits { children: 1, ..ResourceLimits::default() };
        let decoder = Decoder::child(program, Limits::default(), resources);
        let reader = decoder.reader(["a"].into_iter().collect());
        let busy = std::thread::spawn(move || {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, b"a\n1\n").unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            decoder.decode("a.csv", file, &request(), &Arc::default(), &mut |_| Ok(())).unwrap_err()
        });
        while !started.exists() {
            std::thread::yield_now();
        }
        let messages = Document::Messages(decode::MessageOptions::default());
        assert_eq!(reader.read(&messages, &[Payload::whole("{}")]), Ok(Rows::none()));
        assert!(!busy.is_finished(), "the file is still read");
        std::fs::write(&enough, "").unwrap();
        let told = busy.join().unwrap().to_string();
        assert!(told.contains("does not say how it was read"), "{told}");
    }

    #[test]
    fn each_ending_has_its_code() {
        let resources = ResourceLimits::default();
        assert!(ended("exit 101", resources).to_string().contains("it is corrupt"));
        assert_eq!(bound_of(&ended("kill -ABRT $$", resources)), Some(Bound::Memory));
        assert_eq!(bound_of(&ended("kill -KILL $$", resources)), Some(Bound::Memory));
        assert_eq!(bound_of(&ended("kill -XCPU $$", resources)), Some(Bound::Time));
        assert!(ended("kill -SEGV $$", resources).to_string().contains("it is corrupt"));
        assert!(ended("exit 0", resources).to_string().contains("its decoder ended with"));
        let garbage = ended("head -c 1000000 /dev/zero >&1", resources);
        assert!(garbage.to_string().contains("what no decoder says"), "{garbage}");
        let missing = Decoder::child("/no/such/program".into(), Limits::default(), resources);
        assert!(matches!(missing.confinement(), Err(Error::Unable(_))));

        // Who does not come to an end is ended.
        let begun = std::time::Instant::now();
        let error = ended("exec sleep 60", ResourceLimits { seconds: 1, ..ResourceLimits::default() });
        assert_eq!(error, Error::Beyond { bound: Bound::Time, most: 1 });
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
