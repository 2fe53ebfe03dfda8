//! The demo feeds' columns, and the writing of rows into Arrow batches. A test holds it against `schemas/`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float32Builder, Float64Builder, Int32Builder, Int64Builder,
    RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Timestamp(Microsecond, UTC)`
    Time,
    /// `Date32`
    Date,
    /// `Float64`
    F64,
    /// `Float32`
    F32,
    /// `Int32`
    I32,
    /// `Int64`
    I64,
    /// `Utf8`
    Text,
    /// `Boolean`
    Bool,
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
            Self::F64 => DataType::Float64,
            Self::F32 => DataType::Float32,
            Self::I32 => DataType::Int32,
            Self::I64 => DataType::Int64,
            Self::Text => DataType::Utf8,
            Self::Bool => DataType::Boolean,
        }
    }
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// Microseconds, days or a whole number.
    Int(i64),
    /// A number.
    Num(f64),
    /// A text.
    Text(&'a str),
    /// Yes or no.
    Bool(bool),
}

/// A feed's name and columns, in the contract's order.
#[derive(Debug)]
pub struct Sheet {
    /// `<department>.<feed>`
    pub feed: &'static str,
    /// Names and types.
    pub columns: &'static [(&'static str, Kind)],
}

macro_rules! sheets {
    ($($(#[$doc:meta])* $name:ident = $feed:literal { $($column:ident: $kind:ident),+ $(,)? })+) => {
        $($(#[$doc])* pub static $name: Sheet =
            Sheet { feed: $feed, columns: &[$((stringify!($column), Kind::$kind)),+] };)+
        /// Every sheet.
        pub static ALL: &[&Sheet] = &[$(&$name),+];
    };
}

sheets! {
    /// Probe vehicles.
    SPEED = "traffic.speed" { ts: Time, lat: F64, lng: F64, vehicle: I32, speed_kmh: F32 }
    /// Traffic lights.
    SIGNALS = "traffic.signals" { signal_id: Text, ts: Time, lat: F64, lng: F64, state: Text, queue_m: F32 }
    /// Car parks.
    PARKING = "traffic.parking" { lot_id: Text, ts: Time, lat: F64, lng: F64, capacity: I32, free: I32 }
    /// Buses and metro trains.
    TRANSIT = "transit.vehicles" {
        vehicle_id: Text, ts: Time, lat: F64, lng: F64, route: Text, speed_kmh: F32, delay_s: I32, load_pct: F32
    }
    /// Calls to 110.
    POLICE = "police.incidents" { event_id: I64, ts: Time, lat: F64, lng: F64, kind: Text, severity: I32 }
    /// Calls to 119.
    FIRE = "fire.incidents" { call_id: Text, ts: Time, lat: F64, lng: F64, kind: Text, trapped: I32, engines: I32 }
    /// Calls to 120.
    AMBULANCE = "health.ambulance" { call_id: Text, ts: Time, lat: F64, lng: F64, priority: I32, response_s: I32 }
    /// Air stations.
    AIR = "environment.air" { station_id: Text, ts: Time, lat: F64, lng: F64, pm25: F32, no2: F32 }
    /// Water quality stations.
    WATER_QUALITY = "environment.water" {
        station_id: Text, ts: Time, lat: F64, lng: F64, ph: F32, oxygen_mg_l: F32, ammonia_mg_l: F32, turbidity_ntu: F32
    }
    /// Noise meters.
    NOISE = "environment.noise" { meter_id: Text, ts: Time, lat: F64, lng: F64, laeq_db: F32 }
    /// Weather stations.
    WEATHER = "weather.stations" {
        station_id: Text, ts: Time, lat: F64, lng: F64, temperature_c: F32, rain_mm_h: F32, wind_ms: F32, wind_deg: F32,
        visibility_m: F32
    }
    /// Weather warnings.
    WARNINGS = "weather.warnings" { warning_id: Text, ts: Time, area_code: Text, kind: Text, colour: Text, expires: Time }
    /// Requests to 12345.
    HOTLINE = "hotline.requests" {
        request_id: I64, ts: Time, lat: F64, lng: F64, category: Text, channel: Text, urgent: Bool
    }
    /// Grid workers' reports.
    GRID = "grid.reports" { report_id: I64, ts: Time, grid_code: Text, kind: Text, severity: I32 }
    /// Construction sites.
    SITES = "construction.sites" {
        site_id: Text, ts: Time, lat: F64, lng: F64, pm10: F32, noise_db: F32, crane_moment_pct: F32
    }
    /// Power outages.
    POWER = "energy.outages" { outage_id: Text, ts: Time, lat: F64, lng: F64, customers: I32, state: Text }
    /// Water outages.
    MAINS = "water.outages" {
        outage_id: Text, ts: Time, lat: F64, lng: F64, customers: I32, pressure_mpa: F32, state: Text
    }
    /// Gas detectors.
    GAS = "gas.leaks" { sensor_id: Text, ts: Time, lat: F64, lng: F64, lel_pct: F32, battery_pct: F32 }
    /// Tanks under supervision.
    PREMISES = "emergency.hazardous_premises" {
        premises_id: Text, ts: Time, lat: F64, lng: F64, pressure_mpa: F32, temperature_c: F32, level_pct: F32, persons: I32
    }
    /// Sights, stations and squares.
    CROWDS = "tourism.crowds" { place_id: Text, ts: Time, lat: F64, lng: F64, people: I32, capacity: I32 }
    /// Elevators.
    ELEVATORS = "housing.elevators" { elevator_id: Text, ts: Time, lat: F64, lng: F64, state: Text, trapped: I32 }
    /// Manhole covers.
    MANHOLES = "urban.manholes" { cover_id: Text, ts: Time, lat: F64, lng: F64, tilt_deg: F32, water_cm: F32 }
    /// Market inspections.
    INSPECTIONS = "market.inspections" {
        inspection_id: I64, ts: Time, lat: F64, lng: F64, trade: Text, grade: Text, violations: I32, due: Date
    }
    /// People by cell.
    CROWD_CELLS = "telecom.crowd_cells" { cell_id: Text, ts: Time, people: I32, inflow: I32 }
    /// River gauges.
    LEVELS = "water_affairs.levels" { gauge_id: Text, ts: Time, lat: F64, lng: F64, level_m: F32, warning_m: F32 }
    /// Ships.
    VESSELS = "maritime.vessels" { vessel_id: I32, ts: Time, lat: F64, lng: F64, speed_kn: F32, kind: Text }
}

#[derive(Debug)]
enum Column {
    Time(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    F64(Float64Builder),
    F32(Float32Builder),
    I32(Int32Builder),
    I64(Int64Builder),
    Text(StringBuilder),
    Bool(BooleanBuilder),
}

impl Column {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::F64 => Self::F64(Float64Builder::new()),
            Kind::F32 => Self::F32(Float32Builder::new()),
            Kind::I32 => Self::I32(Int32Builder::new()),
            Kind::I64 => Self::I64(Int64Builder::new()),
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
        }
    }

    /// A value of another type than the column's is written as nothing.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the generator's numbers are small; readings need no more digits"
    )]
    fn push(&mut self, value: &Value<'_>) {
        let int = if let Value::Int(v) = value { Some(*v) } else { None };
        let num = if let Value::Num(v) = value { Some(*v) } else { None };
        match self {
            Self::Time(b) => b.append_option(int),
            Self::Date(b) => b.append_option(int.map(|v| v as i32)),
            Self::F64(b) => b.append_option(num),
            Self::F32(b) => b.append_option(num.map(|v| v as f32)),
            Self::I32(b) => b.append_option(int.map(|v| v as i32)),
            Self::I64(b) => b.append_option(int),
            Self::Text(b) => b.append_option(if let Value::Text(v) = value { Some(*v) } else { None }),
            Self::Bool(b) => b.append_option(if let Value::Bool(v) = value { Some(*v) } else { None }),
        }
    }

    fn finish(mut self) -> ArrayRef {
        match &mut self {
            Self::Time(b) => Arc::new(b.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::F64(b) => Arc::new(b.finish()),
            Self::F32(b) => Arc::new(b.finish()),
            Self::I32(b) => Arc::new(b.finish()),
            Self::I64(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()),
            Self::Bool(b) => Arc::new(b.finish()),
        }
    }
}

/// Rows of one feed while they are being written.
#[derive(Debug)]
pub struct Table {
    /// Whose rows.
    pub sheet: &'static Sheet,
    columns: Vec<Column>,
    /// Rows spoilt on purpose, by the reason code that the check should give.
    pub spoilt: BTreeMap<&'static str, u64>,
}

impl Table {
    /// No rows yet.
    pub fn of(sheet: &'static Sheet) -> Self {
        let columns = sheet.columns.iter().map(|(_, kind)| Column::of(*kind)).collect();
        Self { sheet, columns, spoilt: BTreeMap::new() }
    }

    /// Adds a row; values that are left out at the end are null.
    pub fn row(&mut self, values: &[Value<'_>]) {
        for (i, column) in self.columns.iter_mut().enumerate() {
            column.push(values.get(i).unwrap_or(&Value::Null));
        }
    }

    /// Notes that the row just added is spoilt on purpose.
    pub fn spoil(&mut self, code: &'static str) {
        *self.spoilt.entry(code).or_default() += 1;
    }

    /// The rows as a batch; none where there are none.
    pub fn finish(self) -> Option<RecordBatch> {
        let fields: Vec<Field> =
            self.sheet.columns.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), true)).collect();
        let arrays = self.columns.into_iter().map(Column::finish).collect();
        // Cannot fail: every column took its type from the sheet and one value a row.
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).ok().filter(|batch| batch.num_rows() > 0)
    }
}

/// The tables of all feeds.
#[derive(Debug)]
pub struct Book(Vec<Table>);

impl Book {
    /// A table for every feed, none with rows.
    pub fn new() -> Self {
        Self(ALL.iter().map(|sheet| Table::of(sheet)).collect())
    }

    /// The table of a feed.
    pub fn of(&mut self, sheet: &'static Sheet) -> &mut Table {
        // Every sheet stands in ALL, which the macro writes; the first table is never reached by another's name.
        let at = self.0.iter().position(|table| std::ptr::eq(table.sheet, sheet)).unwrap_or_default();
        &mut self.0[at]
    }

    /// The tables, in the order of the sheets.
    pub fn into_tables(self) -> Vec<Table> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sheet_has_the_columns_and_types_of_its_contract() {
        for sheet in ALL {
            let (department, feed) = sheet.feed.split_once('.').unwrap();
            let path = format!("{}/schemas/{department}/{feed}.odcs.yaml", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap();
            let told = |key: &str| {
                let lead = format!("        {key}: ");
                text.lines().filter_map(move |l| l.strip_prefix(&lead).map(str::to_owned)).collect::<Vec<_>>()
            };
            let names: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("      - name: ")).collect();
            let types: Vec<_> = told("physicalType");
            let ours: Vec<_> = sheet.columns.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ours, "{path}");
            for ((_, kind), physical) in sheet.columns.iter().zip(types) {
                let known = match kind {
                    Kind::Time => "Timestamp(Microsecond, UTC)",
                    Kind::Date => "Date32",
                    Kind::F64 => "Float64",
                    Kind::F32 => "Float32",
                    Kind::I32 => "Int32",
                    Kind::I64 => "Int64",
                    Kind::Text => "Utf8",
                    Kind::Bool => "Boolean",
                };
                assert_eq!(physical, known, "{path}");
            }
        }
    }
}
