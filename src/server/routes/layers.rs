//! Layers as files: GeoJSON for maps, JSON for scripts, Arrow for notebooks.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::layer::{LayerRows, LayerSchema};
use crate::model::{Cell, Micros};
use crate::server::ServerState;
use crate::server::error::Error;

/// The names of the layers.
pub(in crate::server) async fn list(State(state): State<ServerState>) -> Json<Value> {
    let channels = state.hub.channels();
    let layers: Vec<&str> = channels.iter().filter_map(|channel| channel.strip_prefix("layer/")).collect();
    Json(json!({ "layers": layers }))
}

#[derive(Debug, Deserialize)]
pub(in crate::server) struct As {
    format: Option<String>,
}

/// A layer as it is now.
pub(in crate::server) async fn show(
    State(state): State<ServerState>,
    Path(name): Path<String>,
    Query(form): Query<As>,
) -> Result<Response, Error> {
    let layer = name.parse().ok().and_then(|name| state.hub.layer_rows(&name));
    let (schema, rows, at) = layer.ok_or_else(|| Error::not_found("such layer"))?;
    match form.format.as_deref().unwrap_or("geojson") {
        "geojson" => {
            let head = [(header::CONTENT_TYPE, "application/geo+json")];
            Ok((head, geojson(&schema, &rows, at).to_string()).into_response())
        }
        "json" => Ok(Json(plain(&name, &schema, &rows, at)).into_response()),
        "arrow" => {
            let head = [(header::CONTENT_TYPE, "application/vnd.apache.arrow.stream")];
            Ok((head, ipc(&schema, &rows).map_err(|error| Error::internal(&error))?).into_response())
        }
        other => {
            let why = format!("format `{other}` is not geojson, json or arrow");
            Err(Error::new(StatusCode::BAD_REQUEST, "FORMAT_UNKNOWN", why))
        }
    }
}

fn cell(index: u64) -> Option<Cell> {
    h3o::CellIndex::try_from(index).ok().map(Cell)
}

fn values(schema: &LayerSchema, rows: &LayerRows, row: usize) -> Map<String, Value> {
    let columns = schema.columns().iter().zip(rows.columns());
    columns
        .map(|(column, values)| (column.name.clone(), json!(values.get(row).filter(|v| v.is_finite()))))
        .collect()
}

fn geojson(schema: &LayerSchema, rows: &LayerRows, at: Micros) -> Value {
    let feature = |(row, &index): (usize, &u64)| {
        let cell = cell(index)?;
        let mut ring: Vec<[f64; 2]> =
            cell.0.boundary().iter().map(|point| [point.lng(), point.lat()]).collect();
        ring.extend(ring.first().copied());
        let mut properties = values(schema, rows, row);
        properties.insert("cell".into(), json!(cell.to_string()));
        let geometry = json!({ "type": "Polygon", "coordinates": [ring] });
        Some(
            json!({ "type": "Feature", "id": cell.to_string(), "geometry": geometry, "properties": properties }),
        )
    };
    let features: Vec<Value> = rows.cells().iter().enumerate().filter_map(feature).collect();
    json!({ "type": "FeatureCollection", "data_time": at.to_rfc3339(), "features": features })
}

fn plain(name: &str, schema: &LayerSchema, rows: &LayerRows, at: Micros) -> Value {
    let row = |(row, &index): (usize, &u64)| {
        let mut object =
            Map::from_iter([("cell".to_owned(), json!(cell(index).map(|cell| cell.to_string())))]);
        object.extend(values(schema, rows, row));
        Value::Object(object)
    };
    let all: Vec<Value> = rows.cells().iter().enumerate().map(row).collect();
    json!({ "layer": name, "as_of_us": at.0, "rows": all })
}

fn ipc(schema: &LayerSchema, rows: &LayerRows) -> Result<Vec<u8>, arrow::error::ArrowError> {
    let mut fields = vec![Field::new("cell", DataType::Utf8, false)];
    let cells: StringArray = rows.cells().iter().map(|&index| Some(format!("{index:x}"))).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(cells)];
    for (column, values) in schema.columns().iter().zip(rows.columns()) {
        fields.push(Field::new(&column.name, DataType::Float64, true));
        columns.push(Arc::new(values.iter().map(|v| v.is_finite().then_some(*v)).collect::<Float64Array>()));
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.finish()?;
    writer.into_inner()
}
