//! The columns of a layer and how each value is quantised for the wire. Not here: the bytes around the
//! values.

use std::fmt;

/// More columns than a wall could ever show.
const MOST_COLUMNS: usize = 64;

/// How one column's values travel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColumnKind {
    /// Two bytes: `offset + raw × scale`; 65535 is null.
    Q16 {
        /// The step between two neighbouring raw values.
        scale: f64,
        /// The value of raw 0.
        offset: f64,
    },
    /// One byte, a whole number from 0 to 254; 255 is null.
    U8,
    /// Four bytes; NaN is null.
    F32,
}

impl ColumnKind {
    /// The word in a `schema`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Q16 { .. } => "q16",
            Self::U8 => "u8",
            Self::F32 => "f32",
        }
    }

    /// Bytes of one value on the wire.
    pub fn width(self) -> usize {
        match self {
            Self::Q16 { .. } => 2,
            Self::U8 => 1,
            Self::F32 => 4,
        }
    }

    /// The raw form of null.
    pub fn null(self) -> u32 {
        match self {
            Self::Q16 { .. } => 65_535,
            Self::U8 => 255,
            Self::F32 => f32::NAN.to_bits(),
        }
    }

    /// The raw form of a value: out of range is the nearest end, NaN and infinity are null.
    pub fn raw(self, value: f64) -> u32 {
        if !value.is_finite() {
            return self.null();
        }
        match self {
            Self::Q16 { scale, offset } => ((value - offset) / scale).round().clamp(0.0, 65_534.0) as u32,
            Self::U8 => value.round().clamp(0.0, 254.0) as u32,
            // Adding zero turns −0 into 0: a sign that nobody sees is no change.
            Self::F32 => match value as f32 + 0.0 {
                single if single.is_finite() => single.to_bits(),
                _ => self.null(),
            },
        }
    }

    /// The value of a raw form; none for null.
    pub fn value(self, raw: u32) -> Option<f64> {
        if raw == self.null() {
            return None;
        }
        Some(match self {
            Self::Q16 { scale, offset } => offset + f64::from(raw) * scale,
            Self::U8 => f64::from(raw),
            Self::F32 => f64::from(f32::from_bits(raw)),
        })
    }

    fn is_sound(self) -> bool {
        match self {
            Self::Q16 { scale, offset } => scale.is_finite() && scale > 0.0 && offset.is_finite(),
            Self::U8 | Self::F32 => true,
        }
    }
}

/// One column of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerColumn {
    /// The column's name in the query.
    pub name: String,
    /// How its values travel.
    pub kind: ColumnKind,
    /// The unit to show beside the value, in UCUM where there is one.
    pub unit: Option<String>,
}

/// Columns that make no layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// Nothing to show.
    #[error("a layer needs at least one column besides its cell")]
    Empty,
    /// Too many.
    #[error("{0} columns are too many for one layer: at most {MOST_COLUMNS}")]
    TooMany(usize),
    /// The same name twice.
    #[error("the column `{0}` stands twice: give each column its own name")]
    Twice(String),
    /// A scale that cannot divide.
    #[error("the column `{0}` has no usable scale: `scale` must be a positive number, `offset` a number")]
    Scale(String),
}

/// The columns of a layer, in the order of the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSchema(Vec<LayerColumn>);

impl LayerSchema {
    /// A schema of `columns`.
    ///
    /// # Errors
    /// [`InvalidSchema`] where there is no column, one stands twice or a scale cannot divide.
    pub fn new(columns: Vec<LayerColumn>) -> Result<Self, InvalidSchema> {
        if columns.is_empty() {
            return Err(InvalidSchema::Empty);
        }
        if columns.len() > MOST_COLUMNS {
            return Err(InvalidSchema::TooMany(columns.len()));
        }
        for (at, column) in columns.iter().enumerate() {
            if columns.iter().take(at).any(|other| other.name == column.name) {
                return Err(InvalidSchema::Twice(column.name.clone()));
            }
            if !column.kind.is_sound() {
                return Err(InvalidSchema::Scale(column.name.clone()));
            }
        }
        Ok(Self(columns))
    }

    /// The columns in order.
    pub fn columns(&self) -> &[LayerColumn] {
        &self.0
    }

    /// Bytes of one cell's values on the wire.
    pub fn width(&self) -> usize {
        self.0.iter().map(|column| column.kind.width()).sum()
    }
}

impl fmt::Display for LayerSchema {
    /// `risk q16, level u8`: for messages to people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, column) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", column.name, column.kind.as_str())?;
        }
        Ok(())
    }
}
