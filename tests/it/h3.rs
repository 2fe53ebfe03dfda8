//! H3 in SQL: every function by hand-picked values; uber/h3's own vectors are in `h3_vectors`.
//!
//! Hand-picked values are those of the H3 C library 4.5.0, asked through the Python package `h3`.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};

const CELL: &str = "'85283473fffffff'";
const SQUARE: &str = "'POLYGON ((114.05 22.53, 114.06 22.53, 114.06 22.54, 114.05 22.54, 114.05 22.53))'";

pub fn session() -> SessionContext {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_information_schema(true));
    cityloom::fusion::udf::register(&ctx);
    ctx
}

/// All rows of a query's first column as text; a null is `NULL`.
pub async fn column(ctx: &SessionContext, sql: &str) -> Result<Vec<String>, String> {
    let frame = ctx.sql(sql).await.map_err(|e| e.to_string())?;
    let batches = frame.collect().await.map_err(|e| e.to_string())?;
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        let formatter = ArrayFormatter::try_new(batch.column(0).as_ref(), &options).unwrap();
        rows.extend((0..batch.num_rows()).map(|row| formatter.value(row).to_string()));
    }
    Ok(rows)
}

/// Equal word by word, numbers with a fraction to one part in a thousand million.
fn same(got: &str, expected: &str) -> bool {
    let words = |text: &str| {
        text.split([' ', ',', '(', ')', '[', ']'])
            .filter(|w| !w.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let close = |a: &String, b: &String| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if a.contains('.') || b.contains('.') => (x - y).abs() <= 1e-9 * y.abs(),
        _ => a == b,
    };
    let (got, expected) = (words(got), words(expected));
    got.len() == expected.len() && got.iter().zip(&expected).all(|(a, b)| close(a, b))
}

/// Each expression of a table gives the value beside it. `{c}` is a cell, `{p}` a polygon.
async fn check(table: &[(&str, &str)]) {
    let ctx = session();
    let mut wrong = Vec::new();
    for (expression, expected) in table {
        let expression = expression.replace("{c}", CELL).replace("{p}", SQUARE);
        match column(&ctx, &format!("SELECT {expression}")).await {
            Ok(rows) if rows.len() == 1 && same(&rows[0], expected) => {}
            other => wrong.push(format!("{expression}\n  expected {expected}\n  got      {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each expression of a table is refused with the words beside it.
async fn refuse(table: &[(&str, &str)]) {
    let ctx = session();
    for (expression, words) in table {
        let expression = expression.replace("{c}", CELL).replace("{p}", SQUARE);
        let error = column(&ctx, &format!("SELECT {expression}")).await.expect_err(&expression);
        assert!(error.contains(words), "{expression}: {error}");
    }
}

/// Whole columns go another way than single rows: nulls, NaN and places that are none included.
#[tokio::test]
async fn a_column_has_the_cells_that_its_rows_have() {
    let ctx = session();
    let places = "(VALUES (22.5, 114.0), (NULL, 114.0), (22.5, NULL), (arrow_cast('NaN', 'Float64'), 1.0), (91.0, 1.0), \
                  (10.0, 361.0), (-90.0, 0.0), (0.0, -360.0), (32.01, 120.86)) AS t (lat, lng)";
    for resolution in [0, 5, 9, 15] {
        let whole = format!("SELECT h3_latlng_to_cell(lat, lng, {resolution}) FROM {places}");
        let each =
            format!("SELECT h3_string_to_h3(h3_latlng_to_cell_string(lat, lng, {resolution})) FROM {places}");
        let (whole, each) = (column(&ctx, &whole).await.unwrap(), column(&ctx, &each).await.unwrap());
        assert_eq!(whole, each);
        assert_eq!(whole.iter().filter(|cell| *cell == "NULL").count(), 5);
    }
    let cells = "(VALUES (599686042433355775), (NULL), (-1), (0), (617848386228322303)) AS t (cell)";
    for resolution in [0, 4, 5, 9] {
        let whole = format!("SELECT h3_cell_to_parent(cell, {resolution}) FROM {cells}");
        let each = format!(
            "SELECT h3_string_to_h3(h3_cell_to_parent(h3_h3_to_string(cell), {resolution})) FROM {cells}"
        );
        assert_eq!(column(&ctx, &whole).await.unwrap(), column(&ctx, &each).await.unwrap());
    }
    for resolution in [4, 5, 6, 7, 9] {
        // A resolution in a column is not known to be the same in all rows.
        let row = |cell: &str| format!("({cell}, {resolution})");
        let pentagon = "h3_string_to_h3('85080003fffffff')";
        let cells =
            ["599686042433355775", "NULL", "-1", "0", pentagon, "617848386228322303"].map(row).join(", ");
        let whole =
            format!("SELECT h3_cell_to_children(cell, {resolution}) FROM (VALUES {cells}) AS t (cell, r)");
        let each = format!("SELECT h3_cell_to_children(cell, r) FROM (VALUES {cells}) AS t (cell, r)");
        assert_eq!(column(&ctx, &whole).await.unwrap(), column(&ctx, &each).await.unwrap());
    }
}

#[tokio::test]
async fn cells_are_made_from_places_and_text() {
    check(&[
        ("h3_latlng_to_cell(22.5431, 114.0579, 9)", "618138610828050431"),
        (
            "h3_latlng_to_cell(22.5431, arrow_cast(114.0579, 'Float64'), arrow_cast(9, 'UInt8'))",
            "618138610828050431",
        ),
        ("h3_latlng_to_cell(20, 123, 2)", "586798360627773439"),
        ("h3_latlng_to_cell(114.0579, 22.5431, 9)", "NULL"),
        ("h3_latlng_to_cell('NaN'::double, 1, 9)", "NULL"),
        ("h3_latlng_to_cell(NULL, 1, 9)", "NULL"),
        ("h3_latlng_to_cell(1, 1, NULL)", "NULL"),
        ("h3_latlng_to_cell_string(22.5431, 114.0579, 9)", "89411caa05bffff"),
        ("h3_latlng_to_cell_string(22.5431, 361.0, 9)", "NULL"),
        ("h3_string_to_h3('85283473fffffff')", "599686042433355775"),
        ("h3_string_to_h3('0x165283473fffffff')", "1608492358964346879"),
        ("h3_string_to_h3('Shenzhen')", "NULL"),
        ("h3_string_to_h3('')", "NULL"),
        ("h3_h3_to_string(599686042433355775)", "85283473fffffff"),
        ("h3_h3_to_string(arrow_cast(599686042433355775, 'UInt64'))", "85283473fffffff"),
        ("h3_h3_to_string(arrow_cast(18446744073709551615, 'UInt64'))", "NULL"),
        ("h3_h3_to_string(2473183459502194687)", "22528340bfffffff"),
        ("h3_h3_to_string(-1)", "NULL"),
        ("h3_cell_to_string(599686042433355775)", "85283473fffffff"),
    ])
    .await;
}

#[tokio::test]
async fn a_cell_tells_where_and_what_it_is() {
    check(&[
        ("h3_cell_to_lat({c})", "37.34579337536848"),
        ("h3_cell_to_lat(599686042433355775)", "37.34579337536848"),
        ("h3_cell_to_lat(arrow_cast(599686042433355775, 'UInt64'))", "37.34579337536848"),
        ("h3_cell_to_lat(arrow_cast({c}, 'LargeUtf8'))", "37.34579337536848"),
        ("h3_cell_to_lat(arrow_cast({c}, 'Utf8View'))", "37.34579337536848"),
        ("h3_cell_to_lat(arrow_cast({c}, 'Dictionary(Int32, Utf8)'))", "37.34579337536848"),
        ("h3_cell_to_lat(0)", "NULL"),
        ("h3_cell_to_lng({c})", "-121.9763759725512"),
        ("h3_cell_to_lng('zz')", "NULL"),
        ("h3_cell_to_latlng({c})", "[37.34579337536848, -121.9763759725512]"),
        ("h3_cell_to_latlng(NULL)", "NULL"),
        (
            "h3_cell_to_boundary_wkt({c})",
            "POLYGON ((-121.91508032705622 37.2713558667319, -121.86222328902491 37.35392645085226, \
             -121.92354999630156 37.42834118609436, -122.03773496427027 37.42012867767779, \
             -122.090428929044 37.337556084353, -122.02910130919001 37.263197974618244, \
             -121.91508032705622 37.2713558667319))",
        ),
        ("h3_cell_to_boundary_wkt(7)", "NULL"),
        ("h3_is_valid_cell({c})", "true"),
        ("h3_is_valid_cell(599686042433355775)", "true"),
        ("h3_is_valid_cell(arrow_cast(18446744073709551615, 'UInt64'))", "false"),
        ("h3_is_valid_cell('nonsense')", "false"),
        ("h3_is_valid_cell(-5)", "false"),
        ("h3_is_valid_cell(1608492358964346879)", "false"),
        ("h3_is_valid_cell(NULL)", "NULL"),
        ("h3_is_pentagon('8009fffffffffff')", "true"),
        ("h3_is_pentagon({c})", "false"),
        ("h3_is_pentagon('x')", "NULL"),
        ("h3_is_res_class_iii({c})", "true"),
        ("h3_is_res_class_iii('8009fffffffffff')", "false"),
        ("h3_get_resolution({c})", "5"),
        ("h3_get_resolution(1)", "NULL"),
        ("h3_get_base_cell_number({c})", "20"),
        ("h3_get_base_cell_number(1)", "NULL"),
        ("h3_get_icosahedron_faces('8928308280fffff')", "[7]"),
        ("array_sort(h3_get_icosahedron_faces('8009fffffffffff'))", "[0, 1, 2, 3, 4]"),
        ("h3_get_icosahedron_faces(1)", "NULL"),
    ])
    .await;
}

#[tokio::test]
async fn parents_and_children_are_exact() {
    check(&[
        ("h3_cell_to_parent('8928308280fffff', 7)", "872830828ffffff"),
        ("h3_cell_to_parent(617700169958293503, 7)", "608692970719281151"),
        ("h3_cell_to_parent(arrow_cast(617700169958293503, 'UInt64'), 7)", "608692970719281151"),
        ("h3_cell_to_parent({c}, 6)", "NULL"),
        ("h3_cell_to_parent(NULL, 6)", "NULL"),
        ("h3_cell_to_parent({c}, NULL)", "NULL"),
        ("h3_cell_to_center_child('8928308280fffff', 10)", "8a28308280c7fff"),
        ("h3_cell_to_center_child({c}, 4)", "NULL"),
        (
            "h3_cell_to_children({c}, 6)",
            "[862834707ffffff, 86283470fffffff, 862834717ffffff, 86283471fffffff, 862834727ffffff, \
             86283472fffffff, 862834737ffffff]",
        ),
        ("h3_cell_to_children(599686042433355775, 5)", "[599686042433355775]"),
        ("h3_cell_to_children({c}, 4)", "NULL"),
        ("h3_cell_to_children_size({c}, 7)", "49"),
        ("h3_cell_to_children_size('8009fffffffffff', 1)", "6"),
        ("h3_cell_to_children_size({c}, 4)", "NULL"),
        ("h3_cell_to_child_pos('8928308280fffff', 5)", "1718"),
        ("h3_cell_to_child_pos({c}, 6)", "NULL"),
        ("h3_child_pos_to_cell(1718, h3_cell_to_parent('8928308280fffff', 5), 9)", "8928308280fffff"),
        ("h3_child_pos_to_cell(0, 599686042433355775, 5)", "599686042433355775"),
        ("h3_child_pos_to_cell(-1, {c}, 6)", "NULL"),
        ("h3_child_pos_to_cell(7, {c}, 6)", "NULL"),
        ("h3_compact_cells(h3_cell_to_children({c}, 7))", "[85283473fffffff]"),
        (
            "h3_compact_cells(make_array(599686042433355775, 599686042433355775, NULL))",
            "[599686042433355775]",
        ),
        ("h3_compact_cells(make_array({c}, '8928308280fffff'))", "NULL"),
        ("h3_compact_cells(make_array({c}, 'bad'))", "NULL"),
        (
            "h3_compact_cells(arrow_cast(make_array(599686042433355775), 'LargeList(UInt64)'))",
            "[599686042433355775]",
        ),
        ("h3_compact_cells(NULL)", "NULL"),
        ("cardinality(h3_uncompact_cells(make_array({c}, '8928308280fffff'), 9))", "2402"),
        ("h3_uncompact_cells(make_array('8928308280fffff'), 8)", "NULL"),
        ("h3_uncompact_cells(NULL, 8)", "NULL"),
    ])
    .await;
}

#[tokio::test]
async fn the_grid_is_walked_as_the_c_library_walks_it() {
    check(&[
        (
            "array_sort(h3_grid_disk({c}, 1))",
            "[8528340bfffffff, 8528340ffffffff, 85283447fffffff, 85283463fffffff, 85283473fffffff, \
             85283477fffffff, 8528347bfffffff]",
        ),
        ("cardinality(h3_grid_disk('8009fffffffffff', 1))", "6"),
        ("h3_grid_disk(599686042433355775, 0)", "[599686042433355775]"),
        ("cardinality(h3_grid_disk_unsafe({c}, 10))", "331"),
        ("h3_grid_disk({c}, -1)", "NULL"),
        ("h3_grid_disk('bad', 1)", "NULL"),
        ("cardinality(h3_grid_disk_distances({c}, 2)[3])", "12"),
        ("h3_grid_disk_distances(599686042433355775, 0)", "[[599686042433355775]]"),
        ("cardinality(h3_grid_disk_distances_safe('8009fffffffffff', 1)[2])", "5"),
        ("cardinality(h3_grid_disk_distances_unsafe({c}, 1)[2])", "6"),
        ("h3_grid_disk_distances({c}, -1)", "NULL"),
        (
            "array_sort(h3_grid_ring({c}, 1))",
            "[8528340bfffffff, 8528340ffffffff, 85283447fffffff, 85283463fffffff, 85283477fffffff, 8528347bfffffff]",
        ),
        ("cardinality(h3_grid_ring_unsafe(599686042433355775, 3))", "18"),
        ("h3_grid_ring({c}, NULL)", "NULL"),
        ("h3_grid_distance({c}, '8528342bfffffff')", "2"),
        ("h3_grid_distance({c}, 599686042433355775)", "0"),
        ("h3_grid_distance({c}, '8928308280fffff')", "NULL"),
        (
            "h3_grid_path_cells({c}, '8528342bfffffff')",
            "[85283473fffffff, 85283477fffffff, 8528342bfffffff]",
        ),
        ("h3_grid_path_cells({c}, '8928308280fffff')", "NULL"),
        ("h3_are_neighbor_cells({c}, '85283447fffffff')", "true"),
        ("h3_are_neighbor_cells({c}, '8528342bfffffff')", "false"),
        ("h3_are_neighbor_cells({c}, {c})", "false"),
        ("h3_are_neighbor_cells({c}, '8928308280fffff')", "NULL"),
        ("h3_cell_to_local_ij({c}, '8528342bfffffff')", "[25, 13]"),
        ("h3_cell_to_local_ij({c}, '8928308280fffff')", "NULL"),
        ("h3_local_ij_to_cell({c}, 25, 13)", "8528342bfffffff"),
        ("h3_local_ij_to_cell(599686042433355775, 25, 13)", "599686023106002943"),
        ("h3_local_ij_to_cell({c}, 2147483647, 2147483647)", "NULL"),
        ("h3_local_ij_to_cell({c}, 9223372036854775807, 0)", "NULL"),
    ])
    .await;
}

#[tokio::test]
async fn areas_become_cells_and_cells_areas() {
    check(&[
        ("array_sort(h3_polygon_wkt_to_cells_string({p}, 8))", "[88411caa01fffff, 88411caa0dfffff]"),
        ("cardinality(h3_polygon_wkt_to_cells({p}, 9))", "9"),
        ("h3_polygon_wkt_to_cells({p}, 9)[1]", "618138610822283263"),
        ("cardinality(h3_polygon_wkt_to_cells_experimental({p}, 9, 'center'))", "9"),
        ("cardinality(h3_polygon_wkt_to_cells_experimental({p}, 9, 'full'))", "6"),
        ("cardinality(h3_polygon_wkt_to_cells_experimental({p}, 9, 'overlap'))", "20"),
        ("cardinality(h3_polygon_wkt_to_cells_experimental({p}, 3, 'overlap'))", "1"),
        ("h3_polygon_wkt_to_cells_experimental_string({p}, 9, 'full')[1]", "89411caa013ffff"),
        (
            "cardinality(h3_polygon_wkt_to_cells('MULTIPOLYGON (((114.05 22.53, 114.06 22.53, 114.06 22.54, \
             114.05 22.54, 114.05 22.53)), ((114.05 22.53, 114.06 22.53, 114.06 22.54, 114.05 22.54, 114.05 22.53)))', 9))",
            "9",
        ),
        ("h3_polygon_wkt_to_cells('POLYGON EMPTY', 9)", "[]"),
        ("h3_polygon_wkt_to_cells('POINT (114 22)', 9)", "NULL"),
        ("h3_polygon_wkt_to_cells('POLYGON ((200 1, 201 1, 201 2, 200 1))', 9)", "NULL"),
        ("h3_polygon_wkt_to_cells('POLYGON ((', 9)", "NULL"),
        ("h3_polygon_wkt_to_cells(NULL, 9)", "NULL"),
        ("h3_polygon_wkt_to_cells_string('', 9)", "NULL"),
        ("h3_polygon_wkt_to_cells_experimental('', 9, 'full')", "NULL"),
        ("h3_cells_to_multi_polygon_wkt(make_array())", "MULTIPOLYGON EMPTY"),
        ("h3_cells_to_multi_polygon_wkt(NULL)", "NULL"),
        ("h3_cells_to_multi_polygon_wkt(make_array('bad'))", "NULL"),
        ("h3_polygon_wkt_to_cells_string(h3_cells_to_multi_polygon_wkt(make_array({c}, {c})), 5)", "[85283473fffffff]"),
        (
            "cardinality(h3_polygon_wkt_to_cells(h3_cells_to_multi_polygon_wkt(make_array({c}, \
             h3_cell_to_center_child('85283447fffffff', 6))), 6))",
            "8",
        ),
        ("cardinality(h3_polygon_wkt_to_cells(h3_cells_to_multi_polygon_wkt(h3_grid_ring({c}, 1)), 5))", "6"),
    ])
    .await;
}

#[tokio::test]
async fn edges_and_vertexes_join_cells() {
    check(&[
        ("h3_cells_to_directed_edge({c}, '85283447fffffff')", "165283473fffffff"),
        ("h3_cells_to_directed_edge(599686042433355775, '85283447fffffff')", "1608492358964346879"),
        ("h3_cells_to_directed_edge({c}, '8528342bfffffff')", "NULL"),
        (
            "array_sort(h3_origin_to_directed_edges({c}))",
            "[115283473fffffff, 125283473fffffff, 135283473fffffff, 145283473fffffff, 155283473fffffff, 165283473fffffff]",
        ),
        ("cardinality(h3_origin_to_directed_edges('8009fffffffffff'))", "5"),
        ("h3_origin_to_directed_edges(1)", "NULL"),
        ("h3_get_directed_edge_origin('165283473fffffff')", "85283473fffffff"),
        ("h3_get_directed_edge_origin(1608492358964346879)", "599686042433355775"),
        ("h3_get_directed_edge_origin({c})", "NULL"),
        ("h3_get_directed_edge_destination('165283473fffffff')", "85283447fffffff"),
        ("h3_get_directed_edge_destination(NULL)", "NULL"),
        ("h3_directed_edge_to_cells('165283473fffffff')", "[85283473fffffff, 85283447fffffff]"),
        ("h3_directed_edge_to_cells('')", "NULL"),
        (
            "h3_directed_edge_to_boundary_wkt('165283473fffffff')",
            "LINESTRING (-121.91508032705622 37.2713558667319, -121.86222328902491 37.35392645085226)",
        ),
        ("h3_directed_edge_to_boundary_wkt({c})", "NULL"),
        ("h3_is_valid_directed_edge('165283473fffffff')", "true"),
        ("h3_is_valid_directed_edge({c})", "false"),
        ("h3_is_valid_directed_edge(NULL)", "NULL"),
        ("h3_edge_length('165283473fffffff', 'km')", "10.302930275179133"),
        ("h3_edge_length('165283473fffffff', 'm')", "10302.930275179133"),
        ("h3_edge_length('165283473fffffff', 'rads')", "0.0016171587917899368"),
        ("h3_edge_length({c}, 'm')", "NULL"),
        ("h3_cell_to_vertex({c}, 0)", "22528340bfffffff"),
        ("h3_cell_to_vertex(599686042433355775, 0)", "2473183459502194687"),
        ("h3_cell_to_vertex({c}, 6)", "NULL"),
        ("h3_cell_to_vertex('8009fffffffffff', 5)", "NULL"),
        ("h3_cell_to_vertex({c}, 1000)", "NULL"),
        (
            "h3_cell_to_vertexes({c})",
            "[22528340bfffffff, 235283447fffffff, 205283463fffffff, 255283463fffffff, 22528340ffffffff, 23528340bfffffff]",
        ),
        ("cardinality(h3_cell_to_vertices('8009fffffffffff'))", "5"),
        ("h3_vertex_to_lat('22528340bfffffff')", "37.2713558667319"),
        ("h3_vertex_to_lng(2473183459502194687)", "-121.91508032705622"),
        ("h3_vertex_to_latlng('22528340bfffffff')", "[37.2713558667319, -121.91508032705622]"),
        ("h3_vertex_to_lat({c})", "NULL"),
        ("h3_vertex_to_lng({c})", "NULL"),
        ("h3_vertex_to_latlng({c})", "NULL"),
        ("h3_is_valid_vertex('22528340bfffffff')", "true"),
        ("h3_is_valid_vertex({c})", "false"),
    ])
    .await;
}

#[tokio::test]
async fn sizes_are_those_of_the_c_library() {
    check(&[
        ("h3_cell_area('8928308280fffff', 'm^2')", "109398.18864622501"),
        ("h3_cell_area({c}, 'km^2')", "265.0925581282818"),
        ("h3_cell_area({c}, 'rads^2')", "6.5310250106417195e-06"),
        ("h3_cell_area(1, 'km^2')", "NULL"),
        ("h3_get_hexagon_area_avg(5, 'km^2')", "252.9038581819449"),
        ("h3_get_hexagon_area_avg(5, 'm^2')", "252903858.1819449"),
        ("h3_get_hexagon_area_avg(NULL, 'm^2')", "NULL"),
        ("h3_get_hexagon_edge_length_avg(5, 'km')", "9.85409099"),
        ("h3_get_hexagon_edge_length_avg(5, 'm')", "9854.09099"),
        ("h3_great_circle_distance(37.77, -122.41, 40.71, -74.0, 'km')", "4129.060301830775"),
        ("h3_great_circle_distance(37.77, -122.41, 40.71, -74.0, 'm')", "4129060.3018307746"),
        ("h3_great_circle_distance(37.77, -122.41, 40.71, -74.0, 'rads')", "0.648101655605968"),
        ("h3_great_circle_distance(91, 0, 0, 0, 'm')", "NULL"),
        ("h3_get_num_cells(5)", "2016842"),
        ("h3_get_num_cells(15)", "569707381193162"),
        ("cardinality(h3_get_res0_cells())", "122"),
        ("h3_get_res0_cells_string()[1]", "8001fffffffffff"),
        ("cardinality(h3_get_pentagons(7))", "12"),
        ("h3_get_pentagons_string(0)[1]", "8009fffffffffff"),
        ("h3_get_pentagons(NULL)", "NULL"),
        ("st_x(st_point(3.5, 4.5))", "3.5"),
    ])
    .await;
}

#[tokio::test]
async fn a_constant_that_can_never_be_right_is_refused_with_what_would_be() {
    refuse(&[
        (
            "h3_latlng_to_cell(1, 2, 99)",
            "h3_latlng_to_cell: `resolution` cannot be 99, it is: H3 resolution, 0 to 15",
        ),
        ("h3_cell_to_parent({c}, -1)", "`resolution` cannot be -1"),
        ("h3_cell_area({c}, 'acre')", "`unit` cannot be acre, it is: 'km^2', 'm^2' or 'rads^2'"),
        ("h3_edge_length({c}, 'km^2')", "`unit` cannot be km^2, it is: 'km', 'm' or 'rads'"),
        ("h3_polygon_wkt_to_cells_experimental({p}, 9, 'most')", "'center', 'full' or 'overlap'"),
        ("h3_cell_to_parent({c})", "h3_cell_to_parent(cell, resolution) takes 2 arguments, got 1"),
        ("h3_cell_to_lat(true)", "`cell` cannot be Boolean"),
        ("h3_cell_to_lat(1.5)", "`cell` cannot be Float64"),
        ("h3_compact_cells({c})", "`cells` cannot be Utf8"),
    ])
    .await;
}

#[tokio::test]
async fn one_line_of_sql_cannot_ask_for_the_whole_grid() {
    let most = "at most 1000000 are made; use a coarser resolution";
    refuse(&[
        ("h3_grid_disk({c}, 577)", "h3_grid_disk: one row asks for 1000519 cells"),
        (
            "h3_cell_to_children(x, 13) FROM (VALUES (599686042433355775)) AS t (x)",
            "one row asks for 5764801 cells",
        ),
        ("h3_grid_disk({c}, 9223372036854775807)", most),
        ("h3_grid_disk_distances({c}, 4000000000)", most),
        ("h3_grid_ring({c}, 100000)", most),
        ("h3_cell_to_children({c}, 15)", most),
        ("h3_uncompact_cells(h3_get_res0_cells(), 15)", most),
        ("h3_polygon_wkt_to_cells('POLYGON ((0 0, 90 0, 90 60, 0 0))', 15)", most),
        ("h3_polygon_wkt_to_cells('POLYGON ((0 0, 0.4 0.4, 0.4 0, 0 0))', 12)", most),
        ("h3_polygon_wkt_to_cells('POLYGON ((0 0, 90 0, 0 0, 0 0))', 15)", most),
        ("h3_cells_to_multi_polygon_wkt(make_array({c}, '8f28308280f18f2'))", most),
    ])
    .await;
}

#[tokio::test]
async fn lists_unnest_and_columns_keep_their_nulls() {
    let ctx = session();
    let disk = format!("SELECT count(*) FROM (SELECT unnest(h3_grid_disk({CELL}, 2)))");
    assert_eq!(column(&ctx, &disk).await.unwrap(), ["19"]);
    let values = "(VALUES (599686042433355775, 4), (NULL, 4), (7, 4), (599686042433355775, 16), (599686042433355775, NULL))";
    let sql = format!("SELECT h3_cell_to_parent(cell, res) FROM {values} AS t (cell, res)");
    assert_eq!(column(&ctx, &sql).await.unwrap(), ["595182446027210751", "NULL", "NULL", "NULL", "NULL"]);
    let none = format!("SELECT h3_cell_to_parent(cell, 3) FROM {values} AS t (cell, res) WHERE res = 99");
    assert!(column(&ctx, &none).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_function_explains_itself_and_its_example_gives_a_value() {
    let ctx = session();
    let functions = ctx.state().scalar_functions().clone();
    let mut names =
        functions.iter().filter(|(name, f)| name.starts_with("h3_") && *name == f.name()).collect::<Vec<_>>();
    names.sort_by_key(|(name, _)| name.as_str());
    assert_eq!(names.len(), 58);
    for (name, function) in &names {
        let documentation = function.documentation().expect(name);
        let example = documentation.sql_example.as_ref().expect(name);
        let rows = column(&ctx, example.trim_end_matches(';')).await.expect(name);
        assert_ne!(rows, ["NULL"], "{name}");
    }
    let shown = column(&ctx, "SHOW FUNCTIONS LIKE 'h3_%'").await.unwrap();
    // DataFusion's SHOW FUNCTIONS leaves out whatever takes no arguments, its own `now` as well.
    let silent = names.iter().map(|(name, _)| name.as_str()).filter(|name| !shown.iter().any(|s| s == name));
    assert_eq!(silent.collect::<Vec<_>>(), ["h3_get_res0_cells", "h3_get_res0_cells_string"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn cells_of_any_place_round_trip(places in vec((-90.0..90.0f64, -180.0..180.0f64, 3..16i64), 1..200)) {
        let rows = places.len().to_string();
        let batch = RecordBatch::try_from_iter([
            ("lat", Arc::new(places.iter().map(|place| place.0).collect::<Float64Array>()) as _),
            ("lng", Arc::new(places.iter().map(|place| place.1).collect::<Float64Array>()) as _),
            ("res", Arc::new(places.iter().map(|place| place.2).collect::<Int64Array>()) as _),
        ]).unwrap();
        let sql = "
            SELECT count(*) FROM (SELECT *, h3_latlng_to_cell(lat, lng, res) AS cell FROM places)
            WHERE h3_is_valid_cell(cell) AND h3_get_resolution(cell) = res
              AND h3_string_to_h3(h3_h3_to_string(cell)) = cell
              AND h3_latlng_to_cell(h3_cell_to_lat(cell), h3_cell_to_lng(cell), res) = cell
              AND h3_child_pos_to_cell(h3_cell_to_child_pos(cell, 3), h3_cell_to_parent(cell, 3), res) = cell
              AND array_has(h3_grid_disk(cell, 1), cell)
              AND h3_get_directed_edge_origin(h3_origin_to_directed_edges(cell)[1]) = cell";
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let good = runtime.block_on(async {
            let ctx = session();
            ctx.register_batch("places", batch).unwrap();
            column(&ctx, sql).await.unwrap()
        });
        assert_eq!(good, [rows]);
    }

    /// Numbers near a cell, an edge and a vertex are the ones that look valid and are not.
    #[test]
    fn no_number_makes_a_function_panic(
        numbers in vec((0..3usize, any::<u64>(), any::<u64>(), -2..20i64), 1..200)
    ) {
        let seeds = [599_686_042_433_355_775u64, 1_608_492_358_964_346_879, 2_473_183_459_502_194_687];
        let near = numbers.iter().map(|(seed, flip, mask, _)| (seeds[*seed] ^ (flip & mask & (mask >> 7))).cast_signed());
        let batch = RecordBatch::try_from_iter([
            ("x", Arc::new(near.collect::<Int64Array>()) as _),
            ("n", Arc::new(numbers.iter().map(|number| number.3).collect::<Int64Array>()) as _),
        ]).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let ctx = session();
            ctx.register_batch("numbers", batch).unwrap();
            for call in [
                "cell_to_boundary_wkt(x)", "is_pentagon(x)", "get_icosahedron_faces(x)", "cell_to_latlng(x)",
                "cell_to_parent(x, n)", "cell_to_center_child(x, n)", "cell_to_children_size(x, n)",
                "cell_to_child_pos(x, n)", "child_pos_to_cell(n * n, x, n)", "grid_disk_distances(x, n)",
                "grid_ring(x, n)", "local_ij_to_cell(x, n * 1000000, n)", "cell_to_vertex(x, n)",
                "cell_to_vertexes(x)", "origin_to_directed_edges(x)", "get_directed_edge_destination(x)",
                "directed_edge_to_boundary_wkt(x)", "edge_length(x, 'm')", "vertex_to_latlng(x)",
                "cell_area(x, 'm^2')", "h3_to_string(x)", "compact_cells(make_array(x, x))",
                "cells_to_multi_polygon_wkt(make_array(x))", "grid_distance(x, 599686042433355775)",
                "get_pentagons(n)", "is_valid_directed_edge(x)", "is_valid_vertex(x)",
            ] {
                let rows = column(&ctx, &format!("SELECT h3_{call} FROM numbers")).await.expect(call);
                assert_eq!(rows.len(), numbers.len(), "{call}");
            }
        });
    }

    /// Rings that cross themselves, run over a pole or the date line, or have no width.
    #[test]
    fn no_ring_makes_a_fill_panic(
        centre in (-180..=180i32, -90..=90i32),
        ring in vec((-40..=40i32, -40..=40i32), 1..9),
        resolution in 0..4i64,
    ) {
        let at = |(x, y): &(i32, i32)| format!("{} {}", (centre.0 + x).clamp(-180, 180), (centre.1 + y).clamp(-90, 90));
        let ring = ring.iter().chain(ring.first()).map(at).collect::<Vec<_>>().join(", ");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            for mode in ["center", "full", "overlap"] {
                let call = format!("h3_polygon_wkt_to_cells_experimental('POLYGON (({ring}))', {resolution}, '{mode}')");
                column(&session(), &format!("SELECT {call}")).await.expect(&call);
            }
        });
    }
}
