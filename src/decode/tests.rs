//! What each format makes of good, ragged and hostile bytes.

use std::io::{Seek as _, Write as _};

use super::*;

fn request(headers: &[&str], required: &[bool]) -> Request {
    Request {
        headers: headers.iter().map(|h| (*h).to_owned()).collect(),
        required: required.to_vec(),
        point: Some((0, 1)),
    }
}

/// Decodes `bytes`; the result is the rows as `number:value|value` and the unreadable as `number!why`.
fn run(format: Format, bytes: &[u8]) -> Result<Vec<String>, Error> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let mut out = Vec::new();
    decode(format, file, &request(&["lng", "lat"], &[true, false]), &Arc::default(), &mut |rows| {
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
    Ok(out)
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
