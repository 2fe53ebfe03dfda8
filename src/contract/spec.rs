//! The YAML of a contract as people write it: the keys of ODCS v3.1 that cityloom reads, the rest named and skipped.
//!
//! The only serde of the rules. What the keys mean is decided in `compile.rs`.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

/// One `*.odcs.yaml` document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    pub api_version: Spanned<String>,
    pub kind: Spanned<String>,
    #[serde(rename = "id")]
    _id: IgnoredAny,
    pub version: Spanned<String>,
    pub status: String,
    pub domain: Option<Spanned<String>>,
    pub schema: Vec<Object>,
    #[serde(default)]
    pub sla_properties: Vec<Sla>,
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
    #[serde(rename = "tenant")]
    _tenant: Option<IgnoredAny>,
    #[serde(rename = "dataProduct")]
    _data_product: Option<IgnoredAny>,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "tags")]
    _tags: Option<IgnoredAny>,
    #[serde(rename = "servers")]
    _servers: Option<IgnoredAny>,
    #[serde(rename = "team")]
    _team: Option<IgnoredAny>,
    #[serde(rename = "roles")]
    _roles: Option<IgnoredAny>,
    #[serde(rename = "support")]
    _support: Option<IgnoredAny>,
    #[serde(rename = "price")]
    _price: Option<IgnoredAny>,
    #[serde(rename = "customProperties")]
    _custom: Option<IgnoredAny>,
    #[serde(rename = "authoritativeDefinitions")]
    _definitions: Option<IgnoredAny>,
    #[serde(rename = "contractCreatedTs")]
    _created: Option<IgnoredAny>,
    #[serde(rename = "slaDefaultElement")]
    _sla_default: Option<IgnoredAny>,
}

/// The one table of a contract.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Object {
    pub name: Spanned<String>,
    pub properties: Vec<Property>,
    #[serde(default)]
    pub custom_properties: Vec<Custom>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "physicalName")]
    _physical_name: Option<IgnoredAny>,
    #[serde(rename = "logicalType")]
    _logical_type: Option<IgnoredAny>,
    #[serde(rename = "physicalType")]
    _physical_type: Option<IgnoredAny>,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "businessName")]
    _business_name: Option<IgnoredAny>,
    #[serde(rename = "dataGranularityDescription")]
    _granularity: Option<IgnoredAny>,
    #[serde(rename = "tags")]
    _tags: Option<IgnoredAny>,
    #[serde(rename = "quality")]
    _quality: Option<IgnoredAny>,
    #[serde(rename = "relationships")]
    _relationships: Option<IgnoredAny>,
    #[serde(rename = "authoritativeDefinitions")]
    _definitions: Option<IgnoredAny>,
}

/// One column.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Property {
    pub name: Spanned<String>,
    pub logical_type: Spanned<String>,
    pub physical_type: Option<Spanned<String>>,
    pub physical_name: Option<String>,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub unique: bool,
    #[serde(default)]
    pub primary_key: bool,
    pub primary_key_position: Option<i32>,
    pub classification: Option<Spanned<String>>,
    pub description: Option<String>,
    #[serde(default)]
    pub logical_type_options: TypeOptions,
    #[serde(default)]
    pub quality: Vec<Quality>,
    #[serde(default)]
    pub custom_properties: Vec<Custom>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "businessName")]
    _business_name: Option<IgnoredAny>,
    #[serde(rename = "examples")]
    _examples: Option<IgnoredAny>,
    #[serde(rename = "tags")]
    _tags: Option<IgnoredAny>,
    #[serde(rename = "partitioned")]
    _partitioned: Option<IgnoredAny>,
    #[serde(rename = "partitionKeyPosition")]
    _partition_key_position: Option<IgnoredAny>,
    #[serde(rename = "criticalDataElement")]
    _critical: Option<IgnoredAny>,
    #[serde(rename = "encryptedName")]
    _encrypted_name: Option<IgnoredAny>,
    #[serde(rename = "authoritativeDefinitions")]
    _definitions: Option<IgnoredAny>,
}

/// `logicalTypeOptions`; bounds are numbers or, for dates, texts.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TypeOptions {
    pub minimum: Option<Bound>,
    pub maximum: Option<Bound>,
    pub exclusive_minimum: Option<Bound>,
    pub exclusive_maximum: Option<Bound>,
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub pattern: Option<Spanned<String>>,
    pub format: Option<Spanned<String>>,
    pub default_timezone: Option<Spanned<String>>,
    #[serde(rename = "timezone")]
    _timezone: Option<IgnoredAny>,
    #[serde(rename = "multipleOf")]
    _multiple_of: Option<IgnoredAny>,
}

/// A bound of a range.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Bound {
    Number(f64),
    Text(String),
}

/// A quality rule; only `library: invalidValues` is a rule of single rows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Quality {
    pub metric: Option<String>,
    pub arguments: Option<QualityArguments>,
}

/// The arguments of a quality rule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QualityArguments {
    pub valid_values: Option<Vec<String>>,
}

/// One service-level property.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sla {
    pub property: String,
    pub value: serde_json::Value,
    pub unit: Option<Spanned<String>>,
}

/// An extension; cityloom's begin with `cityloom`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Custom {
    pub property: Spanned<String>,
    pub value: serde_json::Value,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
}

/// `cityloomTitle`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TitleSpec {
    pub en: String,
    pub zh: Option<String>,
}

/// `cityloomTolerance`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToleranceSpec {
    pub rows: Option<u64>,
    pub share: Option<f64>,
}

/// `cityloomEventTime`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventTimeSpec {
    pub column: String,
    pub future: Option<String>,
    pub late: Option<String>,
}

/// `cityloomPlace`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceSpec {
    pub kind: String,
    pub lng: Option<String>,
    pub lat: Option<String>,
    pub column: Option<String>,
    pub crs: Option<String>,
    pub resolution: Option<u8>,
    pub outside: Option<String>,
}
