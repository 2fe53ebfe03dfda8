//! Files made to hurt, sent to the running server: each is refused or told row by row with its code, the server answers
//! throughout, and its memory stays where it was.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::binary::real_data;
use super::server::{City, Server, read};

const FEED: &str = "/api/feeds/traffic/speed/submissions";
const HEAD: &str = "ts,lat,lng,vehicle,speed_kmh\n";
const GOOD: &str = "2025-03-01T08:00:00Z,32.02,121.05,1,30\n";
/// What the server may take beyond what it takes when it has just started: batches on their way, not files.
const MEMORY_KIB: u64 = 200 << 10;
/// How long an answer to "are you there" may take beside a decoder that uses a whole core.
const ANSWER: Duration = Duration::from_secs(5);

/// What must become of a file.
enum Fate {
    /// Refused whole, with one of these codes.
    Refused(&'static [&'static str]),
    /// So many rows land, and these are rejected.
    Told(u64, Value),
    /// Refused whole or landed without a row.
    Nothing,
}
use Fate::{Nothing, Refused, Told};

fn city() -> City {
    let city = City::new();
    let settings = fs::read_to_string(city.root().join("cityloom.toml")).unwrap();
    let limits =
        "upload_mib = 64\ndecode_memory_mib = 128\ndecoded_mib = 128\nrow_group_mib = 1024\ndecode_s = 60";
    city.write("cityloom.toml", &settings.replace("upload_mib = 1", limits));
    city
}

fn gzip(bytes: &[u8], times: usize) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..times).for_each(|_| packed.write_all(bytes).unwrap());
    packed.finish().unwrap()
}

fn parquet(columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// The wanted columns, of which one holds a dictionary of `values` and repeats its first.
fn dictionary_bomb(values: Vec<String>, rows: usize) -> Vec<u8> {
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value; rows])) };
    let keys = if values.len() == 1 { vec![0; rows] } else { (0..rows as i32).collect() };
    let bomb =
        DictionaryArray::<Int32Type>::try_new(Int32Array::from(keys), Arc::new(StringArray::from(values)));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_page_size_limit(1 << 30)
        .build();
    let columns = vec![
        ("ts", Arc::new(bomb.unwrap()) as ArrayRef),
        ("lat", text("1")),
        ("lng", text("1")),
        ("vehicle", text("1")),
        ("speed_kmh", text("1")),
    ];
    parquet(columns, properties)
}

/// One column, and a footer that names its one page a hundred thousand times; writers stop long before.
fn many_row_groups() -> Vec<u8> {
    let column: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let mut bytes = parquet(vec![("ts", column)], WriterProperties::default());
    let whole = bytes::Bytes::from(bytes.clone());
    let footer = ParquetMetaDataReader::new().parse_and_finish(&whole).unwrap();
    let groups = vec![footer.row_group(0).clone(); 100_000];
    let footer = footer.into_builder().set_row_groups(groups).build();
    ParquetMetaDataWriter::new(&mut bytes, &footer).finish().unwrap();
    bytes
}

fn many_columns() -> Vec<u8> {
    let fields: Vec<Field> =
        (0..100_000).map(|n| Field::new(format!("c{n}"), DataType::Int32, true)).collect();
    let writer = ArrowWriter::try_new(Vec::new(), Arc::new(Schema::new(fields)), None).unwrap();
    writer.into_inner().unwrap()
}

/// A value that says that it is 2 GiB long.
fn two_gigabyte_claim() -> Vec<u8> {
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let plain = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let columns = vec![
        ("ts", text("needle-in-the-page")),
        ("lat", text("1")),
        ("lng", text("1")),
        ("vehicle", text("1")),
        ("speed_kmh", text("1")),
    ];
    let mut bytes = parquet(columns, plain);
    let at = bytes.windows(18).position(|window| window == b"needle-in-the-page").unwrap();
    bytes[at - 4..at].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    bytes
}

fn rows(lines: &[&str]) -> Vec<u8> {
    let mut text = HEAD.to_owned() + GOOD;
    lines.iter().for_each(|line| text.extend([*line, "\n"]));
    text.into_bytes()
}

type Case = (String, Vec<u8>, Fate);

fn named(name: &str, bytes: Vec<u8>, fate: Fate) -> Case {
    (name.to_owned(), bytes, fate)
}

/// A workbook whose one part is spaces.
fn flooded_workbook() -> Vec<u8> {
    let mut parts = zip::ZipWriter::new(Cursor::new(Vec::new()));
    parts.start_file("xl/workbook.xml", zip::write::SimpleFileOptions::default()).unwrap();
    parts.write_all(&vec![b' '; 40 << 20]).unwrap();
    parts.finish().unwrap().into_inner()
}

fn packed() -> Vec<Case> {
    let twice = gzip(&gzip(&vec![0; 1 << 20], 200), 1);
    vec![
        named("bomb.csv.gz", gzip(&vec![b'\n'; 1 << 20], 300), Refused(&["RATIO_TOO_HIGH"])),
        named("bomb_in_bomb.csv.gz", twice, Refused(&["FILE_UNREADABLE", "COLUMN_MISSING"])),
        named("bomb.xlsx", flooded_workbook(), Refused(&["RATIO_TOO_HIGH"])),
        named("no.xlsx", b"PK\x03\x04\x14\0\0\0\x08\0".repeat(100), Refused(&["FILE_UNREADABLE"])),
        named("bomb.zip", b"PK\x03\x04\x14\0\0\0\x08\0".repeat(100), Refused(&["FORMAT_UNKNOWN"])),
    ]
}

fn parquet_files() -> Vec<Case> {
    let one = |kib: usize| vec!["A".repeat(kib << 10)];
    let many = (0..800).map(|n| format!("{n}{}", "A".repeat(200 << 10))).collect();
    vec![
        named("long_value.parquet", dictionary_bomb(one(1024), 300), Refused(&["VALUE_TOO_LONG"])),
        named("many_values.parquet", dictionary_bomb(one(200), 1_000), Refused(&["DECODED_TOO_LARGE"])),
        named("large_page.parquet", dictionary_bomb(many, 800), Refused(&["TOO_MUCH_MEMORY"])),
        named("row_groups.parquet", many_row_groups(), Refused(&["TOO_MANY_ROW_GROUPS"])),
        named("columns.parquet", many_columns(), Refused(&["TOO_MANY_COLUMNS"])),
        named("claim.parquet", two_gigabyte_claim(), Refused(&["FILE_UNREADABLE"])),
    ]
}

fn json_files() -> Vec<Case> {
    let object = |rest: &str| {
        format!(
            "{{\"ts\":\"2025-03-01T08:00:00Z\",\"lat\":32.02,\"lng\":121.05,\"vehicle\":1,\"speed_kmh\":3{rest}}}\n"
        )
    };
    let names: Vec<String> = (0..100_000).map(|n| format!(",\"c{n}\":1")).collect();
    let nested = |levels: usize| format!(",\"x\":{}1{}", "[".repeat(levels), "]".repeat(levels));
    let deep = object(&nested(10)) + &object(&nested(40)) + &object(&nested(100_000));
    let names = object("") + &object(&names.concat());
    vec![
        named("names.ndjson", names.into_bytes(), Told(1, json!({"ROW_UNREADABLE": 1}))),
        named("deep.ndjson", deep.into_bytes(), Told(1, json!({"ROW_UNREADABLE": 2}))),
    ]
}

fn csv_files() -> Vec<Case> {
    let bad = |reasons: Value| Told(1, reasons);
    let (chinese, _, _) = encoding_rs::GB18030.encode("2025-03-01T08:00:00Z,32.02,121.05,南通,30\n");
    let utf8 = "2025-03-01T08:00:00Z,32.02,121.05,如皋,30\n";
    let mixed = [HEAD.as_bytes(), GOOD.as_bytes(), utf8.as_bytes(), &chinese].concat();
    let wide: Vec<String> = (0..100_000).map(|n| format!(",c{n}")).collect();
    let wide = format!("{}{}\n{GOOD}", HEAD.trim(), wide.concat());
    let long = format!("{HEAD}{GOOD}{},1,1,1,1\n", "x".repeat(300 << 10));
    let epoch = HEAD.to_owned() + "1970-01-01T00:00:00Z,32.02,121.05,7,30\n";
    let nul = rows(&["2025-03-01T08:00:00Z,32.02,121.05,\0,1", "\0\0\0"]);
    let quote = rows(&["2025-03-01T08:00:00Z,32.02,121.05,\"1,30", GOOD, GOOD]);
    let nan = rows(&[
        "2025-03-01T08:00:00Z,NaN,121.05,1,30",
        "2025-03-01T08:00:00Z,32.02,inf,1,30",
        "2025-03-01T08:00:00Z,-Infinity,1e999,1,30",
    ]);
    let years = rows(&["2262-04-12T00:00:00Z,32.02,121.05,1,30", "9999-12-31T23:59:59Z,32.02,121.05,1,30"]);
    let swapped = rows(&["2025-03-01T08:00:00Z,121.05,32.02,1,30"]);
    vec![
        named("columns.csv", wide.into_bytes(), Refused(&["TOO_MANY_COLUMNS"])),
        named("nul.csv", nul, bad(json!({"ROW_UNREADABLE": 1, "TYPE_MISMATCH": 1}))),
        named("quote.csv", quote, bad(json!({"ROW_UNREADABLE": 1}))),
        named("long_quote.csv", rows(&["\"", &"x".repeat(3 << 20)]), Refused(&["FILE_UNREADABLE"])),
        named("long_value.csv", long.into_bytes(), bad(json!({"ROW_UNREADABLE": 1}))),
        named("mixed.csv", mixed, bad(json!({"ROW_UNREADABLE": 1, "TYPE_MISMATCH": 1}))),
        named("nan.csv", nan, bad(json!({"OUT_OF_RANGE": 3}))),
        named("swapped.csv", swapped, bad(json!({"OUT_OF_RANGE": 1}))),
        named("years.csv", years, bad(json!({"EVENT_TIME_FUTURE": 2}))),
        named("epoch.csv", epoch.into_bytes(), Told(1, json!({}))),
    ]
}

/// Real files that are known to break readers, and such as are of other formats.
fn found(below: &str, wanted: &[&str]) -> Vec<Case> {
    let mut files = Vec::new();
    let mut folders: Vec<_> = real_data(below).into_iter().collect();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if wanted.contains(&extension.as_str()) {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                files.push((name, fs::read(&path).unwrap(), Nothing));
            }
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// Whether that became of the file which must.
fn is_just(fate: &Fate, status: StatusCode, answer: &Value) -> bool {
    match fate {
        Refused(codes) => status.is_client_error() && codes.iter().any(|code| answer["code"] == *code),
        Told(landed, reasons) => (&answer["rows_landed"], &answer["reasons"]) == (&json!(landed), reasons),
        Nothing if status.is_success() => {
            answer["rows_landed"] == 0 && answer["rows_quarantined"].as_u64() > Some(0)
        }
        Nothing => status.is_client_error() && answer["code"].is_string(),
    }
}

/// Asks "are you there" again and again until told to stop; how often it was answered, each time soon.
async fn watch(server: &Server, done: &AtomicBool, slowest: &AtomicU64) -> u32 {
    let mut answers = 0;
    while !done.load(Ordering::Acquire) {
        let asked = Instant::now();
        assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
        slowest.fetch_max(asked.elapsed().as_millis() as u64, Ordering::Relaxed);
        answers += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    answers
}

#[tokio::test]
async fn what_is_made_to_hurt_is_told_and_hurts_nobody() {
    let city = city();
    let server = Server::start(&city).await;
    let made = [packed(), parquet_files(), json_files(), csv_files()];
    let files: Vec<_> = made
        .into_iter()
        .flatten()
        .chain(found("protocol/parquet_bad", &["parquet"]))
        .chain(found("protocol/cap", &["cap", "atom", "rss", "xml", "edxlde", "pem"]))
        .chain(found("protocol/gtfs_rt", &["zip", "pb"]))
        .collect();
    // The first landing makes what later ones use.
    server.land("traffic.speed", HEAD.to_owned() + "2025-03-01T07:00:00Z,32.02,121.05,9,30\n").await;
    let before = server.peak_memory_kib();
    let (done, slowest) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut unjust = Vec::new();
    let send = async {
        for (name, bytes, fate) in &files {
            let request = server.request("POST", &format!("{FEED}?name={name}"));
            let (status, answer) = read(request.body(bytes.clone()).send().await.unwrap()).await;
            if !is_just(fate, status, &answer) {
                unjust.push(format!("{name}: {status} {answer}"));
            }
        }
        done.store(true, Ordering::Release);
    };
    let ((), answers) = tokio::join!(send, watch(&server, &done, &slowest));
    let (slowest, after) = (Duration::from_millis(slowest.into_inner()), server.peak_memory_kib());
    println!(
        "{} files, {answers} answers, the slowest after {slowest:?}; peak {before} -> {after} KiB",
        files.len()
    );
    assert!(answers as usize > files.len() / 2 && slowest < ANSWER, "{answers} answers, {slowest:?}");
    assert!(after - before < MEMORY_KIB, "the server's memory rose from {before} to {after} KiB");
    assert_no_orphans(&city, &server);
    server.stop().await;
}

/// No decoder outlives its file, and no body stays on the disk.
fn assert_no_orphans(city: &City, server: &Server) {
    let spooled = fs::read_dir(city.data().join("spool")).unwrap().count();
    assert_eq!(spooled, 0);
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    if Path::new(&children).exists() {
        assert_eq!(fs::read_to_string(children).unwrap().trim(), "");
    }
}

#[test]
fn a_bomb_is_small() {
    // What the server is sent must be a bomb, not merely a large file.
    let bomb = dictionary_bomb(vec!["A".repeat(1 << 20)], 300);
    assert!(bomb.len() < 4_000, "{} bytes", bomb.len());
    assert!(bomb.starts_with(b"PAR1"));
}
