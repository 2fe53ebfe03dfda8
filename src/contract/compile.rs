//! A contract's YAML becomes a [`Contract`]: every error of the file, each at its line and column.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono_tz::Tz;
use serde_saphyr::{Location, Spanned};

use super::spec::{
    Bound, Custom, Document, EventTimeSpec, Object, PlaceSpec, Property, TitleSpec, ToleranceSpec,
};
use super::types::{default_type, fits, physical_type};
use super::{
    Classification, Column, Contract, EventTime, NoVersion, OnLanding, Place, Range, SYSTEM_COLUMNS,
    TimeFormat, Title, Tolerance, Version,
};
use crate::model::{FeedName, Resolution};

/// What is wrong with a contract, and where; line and column count from 1, 0 where the whole file is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractError {
    /// Line in the file.
    pub line: u32,
    /// Column in the line.
    pub column: u32,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Reads the contract of `feed` (department and name come from the file's path).
///
/// # Errors
/// All that is wrong, at once; a document that is no YAML has one error.
pub fn parse(feed: &FeedName, yaml: &str) -> Result<Contract, Vec<ContractError>> {
    let document: Document = serde_saphyr::from_str(yaml).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), position);
        vec![ContractError { line, column, message: yaml_message(&error.to_string()) }]
    })?;
    let mut compiler = Compiler { errors: Vec::new() };
    let contract = compiler.contract(feed, &document);
    match contract {
        Some(contract) if compiler.errors.is_empty() => Ok(contract),
        _ => Err(compiler.errors),
    }
}

fn position(location: Location) -> (u32, u32) {
    (u32::try_from(location.line()).unwrap_or(0), u32::try_from(location.column()).unwrap_or(0))
}

/// What the YAML reader says, without the place that is told beside it, and with the key that was probably meant.
pub(crate) fn yaml_message(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let bare =
        line.strip_prefix("error: line ").and_then(|rest| Some(rest.split_once(": ")?.1)).unwrap_or(line);
    match unknown_key(bare) {
        Some((message, help)) => format!("{message}; {help}"),
        None => bare.to_owned(),
    }
}

/// What serde says of an unknown key, in our words, and how to mend it.
pub(crate) fn unknown_key(text: &str) -> Option<(String, String)> {
    let (word, known) = text.strip_prefix("unknown field `")?.split_once("`, expected ")?;
    let known = known.trim_start_matches("one of ").replace('`', "").replace(" or ", ", ");
    let help = closest(word, known.split(", ")).map(|meant| format!("did you mean `{meant}`?"));
    Some((format!("the key `{word}` is not known"), help.unwrap_or_else(|| format!("known here: {known}"))))
}

/// The known word that `word` was probably meant to be.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

struct Compiler {
    errors: Vec<ContractError>,
}

impl Compiler {
    fn error(&mut self, location: Location, message: impl Into<String>) {
        let (line, column) = position(location);
        self.errors.push(ContractError { line, column, message: message.into() });
    }

    fn at<T>(&mut self, spot: &Spanned<T>, message: impl Into<String>) {
        self.error(spot.referenced, message);
    }

    fn contract(&mut self, feed: &FeedName, document: &Document) -> Option<Contract> {
        if !document.api_version.value.starts_with("v3.") {
            self.at(&document.api_version, "apiVersion must be v3.1.0 (or another v3)");
        }
        if document.kind.value != "DataContract" {
            self.at(&document.kind, "kind must be DataContract");
        }
        if let Some(domain) = document.domain.as_ref().filter(|domain| domain.value != feed.department()) {
            self.at(
                domain,
                format!("domain `{}` is not the folder's department `{}`", domain.value, feed.department()),
            );
        }
        let [object] = document.schema.as_slice() else {
            self.errors.push(ContractError {
                line: 0,
                column: 0,
                message: "schema must hold exactly one table".into(),
            });
            return None;
        };
        if object.name.value != feed.feed() {
            self.at(
                &object.name,
                format!("the table's name `{}` is not the file's `{}`", object.name.value, feed.feed()),
            );
        }
        let columns: Vec<Column> = object.properties.iter().filter_map(|p| self.column(p)).collect();
        self.names(object);
        if columns.len() != object.properties.len() {
            return None;
        }
        let mut contract = Contract {
            feed: feed.clone(),
            version: self.version(&document.version),
            version_at: position(document.version.referenced),
            retired: document.status == "retired",
            earlier: Vec::new(),
            title: Title { en: feed.to_string(), zh: feed.to_string() },
            key: key(object),
            latest: false,
            columns,
            event_time: None,
            place: Place::Nowhere,
            freshness_s: self.sla_seconds(document, "latency"),
            retention_s: self.sla_seconds(document, "retention").filter(|seconds| *seconds > 0),
            tolerance: Tolerance::default(),
        };
        for custom in &object.custom_properties {
            self.extension(&mut contract, custom);
        }
        self.readable(&contract, object);
        Some(contract)
    }

    fn version(&mut self, version: &Spanned<String>) -> Version {
        version.value.parse().unwrap_or_else(|error: NoVersion| {
            self.at(version, error.to_string());
            Version::default()
        })
    }

    fn names(&mut self, object: &Object) {
        let mut seen = HashSet::new();
        for property in &object.properties {
            let name = &property.name;
            let plain = name.value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if !plain || name.value.is_empty() || name.value.len() > 63 {
                self.at(name, format!("column name `{}`: use lower-case letters, digits and `_` (the file's header goes into physicalName)", name.value));
            } else if SYSTEM_COLUMNS.contains(&name.value.as_str()) {
                self.at(name, format!("`{}` is a column that landing adds itself", name.value));
            } else if !seen.insert(name.value.as_str()) {
                self.at(name, format!("column `{}` stands twice", name.value));
            }
        }
        if object.properties.is_empty() {
            self.at(&object.name, "a table needs at least one column");
        }
    }

    fn column(&mut self, property: &Property) -> Option<Column> {
        let options = &property.logical_type_options;
        let data_type = self.data_type(property)?;
        let column_type = data_type.clone();
        let range = Range {
            minimum: self.bound(property, options.minimum.as_ref()),
            maximum: self.bound(property, options.maximum.as_ref()),
            exclusive_minimum: self.bound(property, options.exclusive_minimum.as_ref()),
            exclusive_maximum: self.bound(property, options.exclusive_maximum.as_ref()),
        };
        let pattern = options.pattern.as_ref().and_then(|pattern| match regex::Regex::new(&pattern.value) {
            Ok(regex) => Some(regex),
            Err(error) => {
                self.at(pattern, format!("pattern: {}", error.to_string().replace('\n', " ")));
                None
            }
        });
        let timed = matches!(data_type, DataType::Date32 | DataType::Timestamp(..));
        let format =
            match options.format.as_ref().filter(|_| timed).map(|f| (f, TimeFormat::from_jdk(&f.value))) {
                None => TimeFormat::Iso,
                Some((_, Ok(format))) => format,
                Some((spot, Err(error))) => {
                    self.at(spot, error.to_string());
                    TimeFormat::Iso
                }
            };
        Some(Column {
            name: property.name.value.clone(),
            was: self.was(property),
            header: property.physical_name.clone().unwrap_or_else(|| property.name.value.clone()),
            data_type,
            required: property.required || property.primary_key,
            unique: property.unique,
            range,
            length: (options.min_length, options.max_length),
            pattern,
            allowed: allowed(property),
            format,
            timezone: self.timezone(options.default_timezone.as_ref()),
            unit: self.unit(property),
            description: property.description.clone(),
            classification: self.classification(property),
            on_landing: self.on_landing(property, &column_type),
        })
    }

    /// The name in an earlier version.
    fn was(&mut self, property: &Property) -> Option<String> {
        let custom =
            property.custom_properties.iter().find(|custom| custom.property.value == "cityloomWas")?;
        let was = custom.value.as_str().filter(|was| *was != property.name.value);
        if was.is_none() {
            self.at(&custom.property, "cityloomWas is the column's name in an earlier version");
        }
        was.map(str::to_owned)
    }

    /// The unit, which must be known: files may come in another one.
    fn unit(&mut self, property: &Property) -> Option<String> {
        let custom = property.custom_properties.iter().find(|custom| custom.property.value == "unit")?;
        let unit = text(&custom.value);
        match unit.as_deref().map(super::unit_is_known) {
            None => self.at(&custom.property, "unit is a text such as km/h"),
            Some(Err(error)) => self.at(&custom.property, error.to_string()),
            Some(Ok(())) => {}
        }
        unit
    }

    fn data_type(&mut self, property: &Property) -> Option<DataType> {
        let logical = property.logical_type.value.as_str();
        let Some(default) = default_type(logical) else {
            let known = ["string", "integer", "number", "boolean", "date", "timestamp"];
            let hint =
                closest(logical, known).map_or(String::new(), |word| format!("; did you mean `{word}`?"));
            self.at(
                &property.logical_type,
                format!("logicalType `{logical}` is not one of {}{hint}", known.join(", ")),
            );
            return None;
        };
        let Some(physical) = &property.physical_type else { return Some(default) };
        let Some(data_type) = physical_type(&physical.value) else {
            self.at(physical, format!("physicalType `{}` is not one of Boolean, Int32, Int64, Float32, Float64, Utf8, Date32, Timestamp(Microsecond, UTC)", physical.value));
            return None;
        };
        if !fits(logical, &data_type) {
            self.at(
                physical,
                format!("physicalType `{}` does not fit logicalType `{logical}`", physical.value),
            );
            return None;
        }
        Some(data_type)
    }

    fn bound(&mut self, property: &Property, bound: Option<&Bound>) -> Option<f64> {
        match bound? {
            Bound::Number(number) => Some(*number),
            Bound::Text(text) => {
                let instant = TimeFormat::Iso.instant(text, chrono_tz::UTC).map(|micros| {
                    match property.logical_type.value.as_str() {
                        "date" => micros.div_euclid(86_400_000_000) as f64,
                        _ => micros as f64,
                    }
                });
                if instant.is_none() {
                    self.at(
                        &property.name,
                        format!(
                            "bound `{text}` of `{}` is neither a number nor an ISO time",
                            property.name.value
                        ),
                    );
                }
                instant
            }
        }
    }

    fn timezone(&mut self, zone: Option<&Spanned<String>>) -> Tz {
        let Some(zone) = zone else { return chrono_tz::UTC };
        zone.value.parse().unwrap_or_else(|_| {
            self.at(zone, format!("defaultTimezone `{}` is no IANA zone such as Asia/Shanghai", zone.value));
            chrono_tz::UTC
        })
    }

    fn classification(&mut self, property: &Property) -> Classification {
        let Some(word) = &property.classification else { return Classification::default() };
        match word.value.as_str() {
            "public" => Classification::Public,
            "internal" => Classification::Internal,
            "confidential" => Classification::Confidential,
            "restricted" => Classification::Restricted,
            other => {
                self.at(
                    word,
                    format!("classification `{other}` is not public, internal, confidential or restricted"),
                );
                Classification::Restricted
            }
        }
    }

    fn on_landing(&mut self, property: &Property, data_type: &DataType) -> OnLanding {
        let mut custom = property.custom_properties.iter();
        let Some(custom) = custom.find(|custom| custom.property.value == "cityloomOnLanding") else {
            return OnLanding::Keep;
        };
        let spot = &custom.property;
        match custom.value.as_str() {
            Some("keep") => OnLanding::Keep,
            Some("hash") if *data_type != DataType::Utf8 => {
                self.at(
                    spot,
                    "cityloomOnLanding: only a string can be hashed; give the column logicalType string",
                );
                OnLanding::Drop
            }
            Some("hash") => OnLanding::Hash,
            Some("drop") if property.primary_key => {
                self.at(spot, "cityloomOnLanding: what is dropped cannot be a key; hash it");
                OnLanding::Drop
            }
            Some("drop") => OnLanding::Drop,
            _ => {
                self.at(spot, "cityloomOnLanding is keep, hash or drop");
                OnLanding::Drop
            }
        }
    }

    /// The place and the time of a row are read from its columns: those must be there to be read.
    fn readable(&mut self, contract: &Contract, object: &Object) {
        let mut read: Vec<usize> = contract.event_time.iter().map(|rule| rule.column).collect();
        match &contract.place {
            Place::Nowhere => {}
            Place::Point { x, y, .. } => read.extend([*x, *y]),
            Place::Area { column, .. } | Place::Cell { column, .. } => read.push(*column),
        }
        for index in read {
            if contract.columns[index].on_landing != OnLanding::Keep {
                let name = &object.properties[index].name;
                self.at(
                    name,
                    format!("cityloomOnLanding: `{}` says where or when, and must be kept", name.value),
                );
            }
        }
    }

    fn sla_seconds(&mut self, document: &Document, property: &str) -> Option<i64> {
        let sla = document.sla_properties.iter().find(|sla| sla.property == property)?;
        let amount = sla.value.as_f64()?;
        let unit = sla.unit.as_ref().map_or("s", |unit| unit.value.as_str());
        match unit_seconds(unit) {
            Some(seconds) => Some((amount * seconds) as i64),
            None => {
                let location = sla.unit.as_ref().map(|unit| unit.referenced);
                self.error(
                    location.unwrap_or(Location::UNKNOWN),
                    format!("{property} unit `{unit}` is not s, min, h, d or y"),
                );
                None
            }
        }
    }

    fn extension(&mut self, contract: &mut Contract, custom: &Custom) {
        let known = [
            "cityloomTitle",
            "cityloomEventTime",
            "cityloomPlace",
            "cityloomExtraColumns",
            "cityloomTolerance",
            "cityloomUpsert",
        ];
        match custom.property.value.as_str() {
            "cityloomTitle" => {
                if let Some(title) = self.value::<TitleSpec>(custom) {
                    contract.title = Title { zh: title.zh.unwrap_or_else(|| title.en.clone()), en: title.en };
                }
            }
            "cityloomEventTime" => {
                if let Some(spec) = self.value::<EventTimeSpec>(custom) {
                    contract.event_time = self.event_time(&contract.columns, custom, &spec);
                }
            }
            "cityloomPlace" => {
                if let Some(spec) = self.value::<PlaceSpec>(custom) {
                    contract.place = self.place(&contract.columns, custom, &spec).unwrap_or(Place::Nowhere);
                }
            }
            "cityloomTolerance" => {
                if let Some(ToleranceSpec { rows, share }) = self.value(custom) {
                    if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                        self.at(&custom.property, "cityloomTolerance: share is a part of all rows, 0 to 1");
                    }
                    contract.tolerance = Tolerance { rows, share };
                }
            }
            "cityloomUpsert" if custom.value != "latest" => {
                self.at(&custom.property, "cityloomUpsert knows only `latest`");
            }
            "cityloomUpsert" if contract.key.is_empty() => {
                self.at(&custom.property, "cityloomUpsert: say which columns are the `primaryKey`");
            }
            "cityloomUpsert" => contract.latest = true,
            "cityloomExtraColumns" if custom.value != "drop" => {
                self.at(&custom.property, "cityloomExtraColumns knows only `drop`");
            }
            other if other.starts_with("cityloom") && !known.contains(&other) => {
                let hint =
                    closest(other, known).map_or(String::new(), |word| format!("; did you mean `{word}`?"));
                self.at(&custom.property, format!("`{other}` is not known{hint}"));
            }
            _ => {}
        }
    }

    fn value<T: serde::de::DeserializeOwned>(&mut self, custom: &Custom) -> Option<T> {
        serde_json::from_value(custom.value.clone())
            .map_err(|error| self.at(&custom.property, format!("{}: {error}", custom.property.value)))
            .ok()
    }

    fn find(
        &mut self,
        columns: &[Column],
        custom: &Custom,
        name: Option<&String>,
        key: &str,
    ) -> Option<usize> {
        let what = &custom.property.value;
        let Some(name) = name else {
            self.at(&custom.property, format!("{what} needs `{key}`"));
            return None;
        };
        let found = columns.iter().position(|column| &column.name == name);
        if found.is_none() {
            let hint = closest(name, columns.iter().map(|c| c.name.as_str()));
            let hint = hint.map_or(String::new(), |word| format!("; did you mean `{word}`?"));
            self.at(&custom.property, format!("{what}: there is no column `{name}`{hint}"));
        }
        found
    }

    fn event_time(&mut self, columns: &[Column], custom: &Custom, spec: &EventTimeSpec) -> Option<EventTime> {
        let column = self.find(columns, custom, Some(&spec.column), "column")?;
        if !matches!(columns[column].data_type, DataType::Date32 | DataType::Timestamp(..)) {
            self.at(
                &custom.property,
                format!("cityloomEventTime: `{}` is neither date nor timestamp", spec.column),
            );
        }
        let future = self.duration(custom, "future", spec.future.as_deref().unwrap_or("10 min"), "10 min");
        let late = spec.late.as_deref().map(|late| self.duration(custom, "late", late, "2 d"));
        if late == Some(Some(0)) {
            self.at(
                &custom.property,
                "cityloomEventTime: late `0` would reject every row; leave it out to take them however late",
            );
        }
        Some(EventTime { column, future_us: future?, late_us: late.flatten() })
    }

    /// Microseconds of a duration of the event time's rule.
    fn duration(&mut self, custom: &Custom, key: &str, text: &str, such: &str) -> Option<i64> {
        let seconds = duration_seconds(text);
        if seconds.is_none() {
            self.at(&custom.property, format!("cityloomEventTime: {key} `{text}` is not like `{such}`"));
        }
        seconds.map(|seconds| (seconds * 1e6) as i64)
    }

    fn place(&mut self, columns: &[Column], custom: &Custom, spec: &PlaceSpec) -> Option<Place> {
        let resolution = Resolution::try_from(spec.resolution.unwrap_or(9)).unwrap_or_else(|_| {
            self.at(&custom.property, "cityloomPlace: resolution is 0 to 15");
            Resolution::Nine
        });
        let quarantine_outside = match spec.outside.as_deref() {
            None | Some("keep") => false,
            Some("quarantine") => true,
            Some(other) => {
                self.at(
                    &custom.property,
                    format!("cityloomPlace: outside `{other}` is neither keep nor quarantine"),
                );
                false
            }
        };
        match spec.kind.as_str() {
            "none" => Some(Place::Nowhere),
            "lnglat" => {
                let x = self.find(columns, custom, spec.lng.as_ref(), "lng")?;
                let y = self.find(columns, custom, spec.lat.as_ref(), "lat")?;
                let crs = spec.crs.clone().unwrap_or_else(|| "WGS84".into());
                Some(Place::Point { x, y, crs, resolution, quarantine_outside })
            }
            "area" => Some(Place::Area {
                column: self.find(columns, custom, spec.column.as_ref(), "column")?,
                resolution,
            }),
            "cell" => Some(Place::Cell {
                column: self.find(columns, custom, spec.column.as_ref(), "column")?,
                resolution,
            }),
            other => {
                self.at(
                    &custom.property,
                    format!("cityloomPlace: kind `{other}` is not lnglat, area, cell or none"),
                );
                None
            }
        }
    }
}

fn key(object: &Object) -> Vec<usize> {
    let mut key: Vec<usize> =
        (0..object.properties.len()).filter(|&i| object.properties[i].primary_key).collect();
    key.sort_by_key(|&i| object.properties[i].primary_key_position.unwrap_or(i32::MAX));
    key
}

fn allowed(property: &Property) -> Option<Arc<HashSet<String>>> {
    property
        .quality
        .iter()
        .find(|rule| rule.metric.as_deref() == Some("invalidValues"))
        .and_then(|rule| rule.arguments.as_ref()?.valid_values.as_ref())
        .map(|values| Arc::new(values.iter().cloned().collect()))
}

fn text(value: &serde_json::Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| Some(value.to_string()))
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "s" | "sec" | "second" | "seconds" => 1.0,
        "min" | "m" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "y" | "yr" | "year" | "years" => 365.25 * 86_400.0,
        _ => return None,
    })
}

/// Seconds of a text such as `10 min`.
fn duration_seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (amount, unit) = text.split_at_checked(split)?;
    Some(amount.parse::<f64>().ok()? * unit_seconds(unit.trim())?)
}
