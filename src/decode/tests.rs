//! What each format makes of good, ragged and hostile bytes.

use std::io::{Seek as _, Write as _};

use super::*;

fn request(headers: &[&str], required: &[bool]) -> Request {
    Request {
        headers: headers.iter().map(|h| (*h).to_owned()).collect(),
        required: required.to_vec(),
        numeric: vec![true; headers.len()],
        point: Some((0, 1)),
        limits: Limits::default(),
        sheet: None,
    }
}

fn kind(format: Format) -> Kind {
    Kind { format, packing: None }
}

/// Decodes `bytes`; the result is the rows as `number:value|value` and the unreadable as `number!why`.
fn run(format: Format, bytes: &[u8]) -> Result<Vec<String>, Error> {
    read(kind(format), bytes).map(|(rows, _)| rows)
}

fn read(kind: Kind, bytes: &[u8]) -> Result<(Vec<String>, ReadAs), Error> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let mut out = Vec::new();
    let read =
        decode(kind, file, None, &request(&["lng", "lat"], &[true, false]), &Arc::default(), &mut |rows| {
            let text = |row: usize, column: usize| {
                let array = rows.batch.column(column);
                let shown = arrow::util::display::array_value_to_string(array, row).unwrap();
                if array.is_null(row) { "∅".to_owned() } else { shown }
            };
            for (row, number) in rows.numbers.iter().enumerate() {
                out.push(format!("{number}:{}|{}", text(row, 0), text(row, 1)));
            }
            out.extend(rows.unreadable.iter().map(|bad| format!("{}!{}", bad.number, bad.why)));
            Ok(())
        })?;
    Ok((out, read))
}

#[test]
fn csv_finds_its_delimiter_and_hands_on_what_is_no_row() {
    for text in ["lng,x,lat\n1,,2\n", "lng;x;lat\n1;;2\n", "\u{feff}lng\tx\tlat\r\n1\t\t2\r\n"] {
        assert_eq!(run(Format::Csv, text.as_bytes()).unwrap(), ["1:1|2"], "{text:?}");
    }
    let dirty = b"lng,lat\n1,2\n3\n\xff,4\n5,\n";
    assert_eq!(
        run(Format::Csv, dirty).unwrap(),
        ["1:1|2", "4:5|∅", "2!1 values under 2 headers", "3!not UTF-8"]
    );
}

#[test]
fn an_unclosed_quote_does_not_swallow_the_file() {
    let mut text = b"lng,lat\n\"1,2\n".to_vec();
    text.resize(4 << 20, b'x');
    let refused = run(Format::Csv, &text).unwrap_err();
    assert!(refused.to_string().contains("is a quote or bracket left open?"), "{refused}");
}

#[test]
fn a_file_without_a_required_column_is_refused_by_name() {
    for (format, bytes) in [(Format::Csv, "lat,b\n1,2\n"), (Format::Ndjson, "{\"lat\":1}\n")] {
        let refused = run(format, bytes.as_bytes()).unwrap_err();
        assert!(matches!(&refused, Error::ColumnMissing { headers, .. } if headers == &["lng"]), "{refused}");
    }
    assert_eq!(run(Format::Csv, b""), Err(Error::Empty));
    assert!(matches!(
        run(Format::Parquet, b"PAR1 and no more"),
        Err(Error::Unreadable { format: "Parquet", .. })
    ));
}

#[test]
fn ndjson_skips_blank_lines_and_tells_broken_ones() {
    let text = "{\"lng\":1.5,\"lat\":\"2\"}\n\n[1]\n{\"lng\":null}\n{\"lng\":";
    let rows = run(Format::Ndjson, text.as_bytes()).unwrap();
    assert_eq!(&rows[..2], ["1:1.5|2", "3:∅|∅"]);
    assert!(rows[2].starts_with("2!no JSON object") && rows[3].starts_with("4!no JSON object"), "{rows:?}");
    let deep = format!("{{\"lng\":{}}}\n{{\"lng\":2}}\n", "[".repeat(100_000));
    assert!(run(Format::Ndjson, deep.as_bytes()).unwrap()[1].starts_with("1!"));
}

#[test]
fn geojson_points_fill_the_coordinate_columns() {
    let text = r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","geometry":{"type":"Point","coordinates":[120.5,32.25]},"properties":{}},
        {"type":"Feature","geometry":{"type":"Polygon","coordinates":[]},"properties":{}}]}"#;
    let rows = run(Format::GeoJson, text.as_bytes()).unwrap();
    assert_eq!(rows, ["1:120.5|32.25", "2!the geometry is Polygon; rows need a Point"]);
    for broken in ["{}", "[]", "{\"features\":[{]}", "{\"features\":[]} x"] {
        assert!(run(Format::GeoJson, broken.as_bytes()).is_err(), "{broken}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn recognised(name: &str, bytes: &[u8]) -> Option<Kind> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let kind = Kind::recognise(name, &mut file).unwrap();
    assert_eq!(file.stream_position().unwrap(), 0);
    kind
}

#[test]
fn packed_files_are_recognised_and_read() {
    let csv = "lng,lat\n1,2\n3,4\n".as_bytes();
    let json = b"{\"lng\":1,\"lat\":2}\n{\"lng\":3,\"lat\":4}\n".as_slice();
    let geojson = br#"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":null,"properties":{"lng":1,"lat":2}},
        {"type":"Feature","geometry":null,"properties":{"lng":3,"lat":4}}]}"#.as_slice();
    for (name, bytes) in
        [("a.csv", csv), ("a.ndjson", json), ("a.json", geojson), ("a.parquet", &parquet_file())]
    {
        for (packing, ending, packed) in [
            (Packing::Gzip, ".gz", gzip(bytes)),
            (Packing::Zstd, ".zst", zstd::encode_all(bytes, 0).unwrap()),
        ] {
            let kind = recognised(&format!("{name}{ending}"), &packed).unwrap();
            assert_eq!(kind.packing, Some(packing), "{name}");
            let (rows, read_as) = read(kind, &packed).unwrap();
            assert_eq!(rows, ["1:1|2", "2:3|4"], "{name}{ending}");
            assert_eq!((read_as.format, read_as.packing), (kind.format, Some(packing)));
            let cut = &packed[..packed.len() - 6];
            assert!(matches!(read(kind, cut), Err(Error::Unreadable { .. })), "{name}{ending} cut");
        }
    }
    assert_eq!(recognised("a.bin", csv), None);
    assert_eq!(recognised("a.csv", csv), Some(kind(Format::Csv)));
}

#[test]
fn nothing_is_empty_packed_or_not() {
    for (format, name) in [(Format::Csv, "a.csv.gz"), (Format::Ndjson, "a.ndjson.gz")] {
        assert_eq!(run(format, b"").unwrap_err(), Error::Empty);
        let packed = gzip(b"");
        assert_eq!(read(recognised(name, &packed).unwrap(), &packed).unwrap_err(), Error::Empty, "{name}");
    }
}

/// Found by random bytes: the header of a page claims a long list that is not there, and the reader looked for all of it.
#[test]
fn a_parquet_file_that_claims_more_than_it_holds_is_refused_at_once() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(include_bytes!("../../fuzz/seeds/parquet/endless.parquet")).unwrap();
    file.rewind().unwrap();
    let wanted = request(&["id", "ts"], &[false; 2]);
    let refused = decode(kind(Format::Parquet), file, None, &wanted, &Arc::default(), &mut |_| Ok(()));
    assert!(matches!(refused, Err(Error::Unreadable { format: "Parquet", .. })), "{refused:?}");
}

fn parquet_file() -> Vec<u8> {
    let column = |values: Vec<i64>| -> ArrayRef { Arc::new(arrow::array::Int64Array::from(values)) };
    let columns = [("lng", column(vec![1, 3])), ("lat", column(vec![2, 4]))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn a_file_that_unpacks_to_a_flood_is_refused_by_its_ratio() {
    let mut text = b"lng,lat\n".to_vec();
    while text.len() < 40 << 20 {
        text.extend_from_slice(b"1,2\n");
    }
    let packed = zstd::encode_all(text.as_slice(), 0).unwrap();
    let kind = Kind { format: Format::Csv, packing: Some(Packing::Zstd) };
    assert_eq!(read(kind, &packed).unwrap_err(), Error::Beyond { bound: Bound::Ratio, most: 200 });
    let kind = Kind { format: Format::Parquet, packing: Some(Packing::Zstd) };
    assert_eq!(read(kind, &packed).unwrap_err(), Error::Beyond { bound: Bound::Ratio, most: 200 });
    let limits = Limits::default();
    let refused = Err(Error::Beyond { bound: Bound::Unpacked, most: limits.unpacked });
    assert_eq!(unpack::check(limits.unpacked + 1, limits.unpacked, &limits), refused);
}

#[test]
fn csv_of_offices_is_read_as_it_is_written() {
    let (chinese, _, _) = encoding_rs::GB18030.encode("地点;lng;lat\n南通;1,5;2\n如皋;2,25;\n");
    let (rows, read_as) = read(kind(Format::Csv), &chinese).unwrap();
    assert_eq!(rows, ["1:1.5|2", "2:2.25|∅"]);
    assert_eq!(
        (read_as.encoding.as_deref(), read_as.delimiter, read_as.decimal_comma, read_as.byte_order_mark),
        (Some("gb18030"), Some(';'), true, false)
    );
    let wide: Vec<u8> = "\u{feff}lng\tlat\r\n1\t2\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (rows, read_as) = read(kind(Format::Csv), &wide).unwrap();
    assert_eq!((rows, read_as.encoding.as_deref()), (vec!["1:1|2".to_owned()], Some("UTF-16LE")));
    let mut broken = chinese.into_owned();
    broken.extend_from_slice(b"\xff\xff;3;4\n");
    assert_eq!(run(Format::Csv, &broken).unwrap()[2], "3!not gb18030");
}

/// A workbook of one sheet, as little as a reader takes.
fn workbook(rows: &str) -> Vec<u8> {
    let mut parts = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let types = "http://schemas.openxmlformats.org/package/2006/content-types";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    for (name, text) in [
        ("[Content_Types].xml", format!("<Types xmlns=\"{types}\"/>")),
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"r1\" Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"r1\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"r2\" Type=\"{office}/styles\" Target=\"styles.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns=\"{main}\" xmlns:r=\"{office}\"><sheets><sheet name=\"一月\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                "<styleSheet xmlns=\"{main}\"><cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>"
            ),
        ),
        (
            "xl/worksheets/sheet1.xml",
            format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>"),
        ),
    ] {
        parts.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        parts.write_all(text.as_bytes()).unwrap();
    }
    parts.finish().unwrap().into_inner()
}

#[test]
fn a_workbook_is_its_first_sheet() {
    let text = |at: &str, text: &str| format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let rows = format!(
        "<row r=\"2\">{}{}{}</row><row r=\"3\"><c r=\"A3\"><v>1.5</v></c><c r=\"C3\" s=\"1\"><v>46082.5</v></c></row>\
         <row r=\"5\"><c r=\"A5\"><v>2</v></c><c r=\"C5\" t=\"e\"><v>#N/A</v></c><c r=\"Z5\"><v>9</v></c></row>",
        text("A2", "lng"),
        text("B2", "x"),
        text("C2", "lat")
    );
    let book = workbook(&rows);
    let kind = recognised("人口.xlsx", &book).unwrap();
    let (rows, read_as) = read(kind, &book).unwrap();
    assert_eq!(rows, ["1:1.5|2026-03-01T12:00:00.000", "3:2|#N/A"]);
    assert_eq!((read_as.format, read_as.sheet.as_deref()), (Format::Xlsx, Some("一月")));

    assert_eq!(run(Format::Xlsx, &workbook("")), Err(Error::Empty));
    let lacking = workbook(&format!("<row r=\"1\">{}</row>", text("A1", "lat")));
    assert!(matches!(run(Format::Xlsx, &lacking), Err(Error::ColumnMissing { .. })));
    let flood = workbook(&" ".repeat(40 << 20));
    assert_eq!(run(Format::Xlsx, &flood), Err(Error::Beyond { bound: Bound::Ratio, most: 200 }));
    for cut in [b"PK\x03\x04 and no more".as_slice(), &book[..book.len() / 2]] {
        assert!(matches!(run(Format::Xlsx, cut), Err(Error::Unreadable { format: "Excel", .. })));
    }
}

/// Good files of every format, as seeds of broken ones.
fn seeds() -> Vec<(Format, Vec<u8>)> {
    let cell = |at: &str, text: &str| format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let sheet = format!(
        "<row r=\"1\">{}{}</row><row r=\"2\">{}</row>",
        cell("A1", "lng"),
        cell("B1", "lat"),
        cell("A2", "1")
    );
    let feature = r#"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"lng":1}}]}"#;
    vec![
        (Format::Csv, b"lng,lat\n1.5,2\n\"a,b\",\"c\"\"d\"\n".to_vec()),
        (Format::Ndjson, b"{\"lng\":1.5,\"lat\":[1,{\"a\":null}]}\n{\"lng\":\"\\u5357\"}\n".to_vec()),
        (Format::GeoJson, feature.as_bytes().to_vec()),
        (Format::Parquet, parquet_file()),
        (Format::Xlsx, workbook(&sheet)),
    ]
}

#[test]
fn no_change_of_a_good_file_makes_a_reader_panic() {
    use rand::{RngExt as _, SeedableRng as _};

    let mut dice = rand::rngs::StdRng::seed_from_u64(11);
    let (mut read, mut refused) = (0, 0);
    for (format, seed) in seeds() {
        for packing in [None, Some(Packing::Gzip)] {
            for _ in 0..150 {
                let mut bytes = seed.clone();
                for _ in 0..dice.random_range(1..4) {
                    let at = dice.random_range(0..bytes.len());
                    match dice.random_range(0..4) {
                        0 => bytes[at] = dice.random(),
                        1 => bytes[at] ^= 1 << dice.random_range(0..8),
                        2 => bytes.truncate(at.max(1)),
                        _ => {
                            let again = bytes[at..].to_vec();
                            bytes.extend(again);
                        }
                    }
                }
                let bytes = if packing.is_some() { gzip(&bytes) } else { bytes };
                // A panic within a reader is refused as corrupt; any other ends the test.
                match self::read(Kind { format, packing }, &bytes) {
                    Ok(_) => read += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");
}
