//! uber/h3's own test vectors through SQL, every line of every file. Skips where the files are not at hand.
//!
//! The CLI cases of polygons and compact sets name input files that do not come with them. The input of
//! `compactCells` is the output of `uncompactCells` and the other way round; the polygons are the outlines of
//! the cells that are expected.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};

use crate::h3::{column, session};

/// The text of a vector file; none, with the reason printed, where it is not there.
fn vectors(name: &str) -> Option<String> {
    let root = std::env::var_os("CITYLOOM_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = root.join("protocol/h3").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        println!("skipped: no {}; name the folder of real data in CITYLOOM_SHARED_DATA", path.display());
    }
    text
}

/// One `add_h3_cli_test(name "command" "expected")`.
struct Case {
    command: String,
    expected: String,
}

fn cases(text: &str) -> Vec<Case> {
    let quoted = |block: &str| {
        let (mut texts, mut current, mut inside, mut escaped) = (Vec::new(), String::new(), false, false);
        for c in block.chars() {
            match c {
                _ if escaped => {
                    current.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' if inside => {
                    texts.push(std::mem::take(&mut current));
                    inside = false;
                }
                '"' => inside = true,
                _ if inside => current.push(c),
                _ => {}
            }
        }
        texts
    };
    let read = |block: &str| match <[String; 2]>::try_from(quoted(block)) {
        Ok([command, expected]) => Case { command, expected },
        Err(texts) => panic!("a case has a command and an answer: {texts:?}"),
    };
    let cases = text.split("add_h3_cli_test(").skip(1).map(read).collect::<Vec<_>>();
    assert!(!cases.is_empty());
    cases
}

impl Case {
    /// The word after an option.
    fn option(&self, name: &str) -> &str {
        let mut words = self.command.split_whitespace();
        words.find(|word| *word == name).unwrap_or_else(|| panic!("{name} in {}", self.command));
        words.next().unwrap()
    }

    /// The expected cells, sorted.
    fn cells(&self) -> Vec<String> {
        let mut cells = words(&self.expected);
        cells.sort();
        cells
    }
}

fn words(text: &str) -> Vec<String> {
    text.split([' ', ',', '"', '[', ']', '(', ')'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn array_of(cells: &[String]) -> String {
    format!("make_array('{}')", cells.join("', '"))
}

async fn one(expression: &str) -> String {
    let rows = column(&session(), &format!("SELECT {expression}")).await.unwrap();
    assert_eq!(rows.len(), 1, "{expression}");
    rows[0].clone()
}

async fn cells_of(expression: &str) -> Vec<String> {
    let mut cells = words(&one(expression).await);
    cells.sort();
    cells
}

fn numbers(text: &str) -> Vec<f64> {
    words(text).iter().filter_map(|word| word.parse().ok()).collect()
}

fn assert_close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{got:?} {expected:?}");
}

#[tokio::test]
async fn single_cells_agree_with_the_command_line() {
    for case in vectors("cellToBoundary.txt").as_deref().map(cases).unwrap_or_default() {
        let got = one(&format!("h3_cell_to_boundary_wkt('{}')", case.option("-c"))).await;
        assert!(got.starts_with("POLYGON"));
        assert_close(&numbers(&got), &numbers(&case.expected));
    }
    for case in vectors("cellToLatLng.txt").as_deref().map(cases).unwrap_or_default() {
        let cell = case.option("-c");
        let lng = one(&format!("h3_cell_to_lng('{cell}')")).await;
        if case.expected.starts_with("Error") {
            assert_eq!(lng, "NULL");
        } else {
            let lat = one(&format!("h3_cell_to_lat('{cell}')")).await;
            assert_close(&numbers(&format!("{lng} {lat}")), &numbers(&case.expected.replace("POINT", "")));
        }
    }
    for case in vectors("cellToParent.txt").as_deref().map(cases).unwrap_or_default() {
        let (cell, resolution) = (case.option("-c"), case.option("--resolution"));
        assert_eq!(one(&format!("h3_cell_to_parent('{cell}', {resolution})")).await, case.expected);
    }
    for case in vectors("isValidCell.txt").as_deref().map(cases).unwrap_or_default() {
        assert_eq!(one(&format!("h3_is_valid_cell('{}')", case.option("-c"))).await, case.expected);
    }
    for case in vectors("latLngToCell.txt").as_deref().map(cases).unwrap_or_default() {
        let (lat, lng, resolution) = (case.option("--lat"), case.option("--lng"), case.option("-r"));
        assert_eq!(
            one(&format!("h3_latlng_to_cell_string({lat}, {lng}, {resolution})")).await,
            case.expected
        );
    }
}

#[tokio::test]
async fn sets_of_cells_agree_with_the_command_line() {
    for case in vectors("cellToChildren.txt").as_deref().map(cases).unwrap_or_default() {
        let (cell, resolution) = (case.option("-c"), case.option("-r"));
        let got = one(&format!("h3_cell_to_children('{cell}', {resolution})")).await;
        assert_eq!(words(&got), words(&case.expected));
    }
    for case in vectors("gridDisk.txt").as_deref().map(cases).unwrap_or_default() {
        let (cell, k) = (case.option("-c"), case.option("-k"));
        assert_eq!(cells_of(&format!("h3_grid_disk('{cell}', {k})")).await, case.cells());
    }
    for case in vectors("polygonToCells.txt").as_deref().map(cases).unwrap_or_default() {
        let (cells, resolution) = (case.cells(), case.option("-r"));
        let outline = format!("h3_cells_to_multi_polygon_wkt({})", array_of(&cells));
        assert_eq!(
            cells_of(&format!("h3_polygon_wkt_to_cells_string({outline}, {resolution})")).await,
            cells
        );
    }
}

#[tokio::test]
async fn compact_sets_agree_with_the_command_line() {
    let (Some(compact), Some(uncompact)) = (vectors("compactCells.txt"), vectors("uncompactCells.txt"))
    else {
        return;
    };
    let (compact, uncompact) = (cases(&compact), cases(&uncompact));
    assert_eq!((compact.len(), uncompact.len()), (9, 9));
    for (compact, uncompact) in compact.iter().zip(&uncompact) {
        let (few, all, resolution) = (compact.cells(), uncompact.cells(), uncompact.option("-r"));
        assert_eq!(cells_of(&format!("h3_compact_cells({})", array_of(&all))).await, few);
        assert_eq!(cells_of(&format!("h3_uncompact_cells({}, {resolution})", array_of(&few))).await, all);
    }
}

/// Rows of `cell lat lng`: the cell holds the place, which in two of the files is the cell's centre.
#[tokio::test]
async fn places_agree_line_by_line() {
    let holds = "h3_latlng_to_cell_string(lat, lng, h3_get_resolution(cell)) = cell";
    let centre = "abs(h3_cell_to_lat(cell) - lat) < 1e-9 AND abs(h3_cell_to_lng(cell) - lng) < 1e-9";
    for (name, is_centre) in [("rand05centers.txt", false), ("res00ic.txt", true), ("res01ic.txt", true)] {
        let Some(text) = vectors(name) else { return };
        let (mut cells, mut lats, mut lngs) = (Vec::new(), Vec::new(), Vec::new());
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let row = words(line);
            assert_eq!(row.len(), 3, "{name}: {line}");
            cells.push(row[0].clone());
            lats.push(row[1].parse().unwrap());
            lngs.push(row[2].parse().unwrap());
        }
        let lines = cells.len();
        let ctx = session();
        ctx.register_batch("places", batch(cells, lats, lngs)).unwrap();
        let condition = if is_centre { format!("{holds} AND {centre}") } else { holds.to_owned() };
        let sql = format!("SELECT cell FROM places WHERE ({condition}) IS NOT TRUE LIMIT 9");
        assert_eq!(column(&ctx, &sql).await.unwrap(), Vec::<String>::new(), "{name}");
        println!("{name}: {lines} places agree");
    }
}

/// Blocks of `cell { lat lng … }`: the outline begins at the same corner and runs through the same points.
#[tokio::test]
async fn outlines_agree_point_by_point() {
    for name in ["bc05r11cells.txt", "res02cells.txt"] {
        let Some(text) = vectors(name) else { return };
        let blocks = text.split('}').filter_map(|block| block.split_once('{'));
        let (cells, points): (Vec<_>, Vec<_>) =
            blocks.map(|(cell, points)| (cell.trim().to_owned(), points_of(points))).unzip();
        let nothing = vec![0.0; cells.len()];
        let ctx = session();
        ctx.register_batch("outlines", batch(cells.clone(), nothing.clone(), nothing)).unwrap();
        let got = column(&ctx, "SELECT h3_cell_to_boundary_wkt(cell) FROM outlines").await.unwrap();
        assert_eq!(got.len(), cells.len());
        for ((cell, expected), got) in cells.iter().zip(&points).zip(&got) {
            let got = numbers(got);
            assert_eq!(got.len(), expected.len() + 2, "{name}: {cell} is closed by its first point");
            for (lng_lat, lat_lng) in got.chunks(2).zip(expected.chunks(2)) {
                let turn = (lng_lat[0] - lat_lng[1]).rem_euclid(360.0);
                assert!(
                    (lng_lat[1] - lat_lng[0]).abs() < 1e-6 && turn.min(360.0 - turn) < 1e-6,
                    "{name}: {cell}"
                );
            }
        }
        println!("{name}: {} outlines agree in {} points", cells.len(), points.concat().len() / 2);
    }
}

fn points_of(text: &str) -> Vec<f64> {
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn batch(cells: Vec<String>, lats: Vec<f64>, lngs: Vec<f64>) -> RecordBatch {
    RecordBatch::try_from_iter([
        ("cell", Arc::new(StringArray::from(cells)) as ArrayRef),
        ("lat", Arc::new(Float64Array::from(lats)) as ArrayRef),
        ("lng", Arc::new(Float64Array::from(lngs)) as ArrayRef),
    ])
    .unwrap()
}
