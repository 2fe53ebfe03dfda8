//! Arguments as columns and the view of one row over them. A constant stays one value and is never spread out.

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, StringViewArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use h3o::{CellIndex, Resolution};

use super::spec::{Kind, Stop, Unit};

/// The type that an argument of a kind is read as; none where the type does not fit the kind.
pub(super) fn canonical(kind: Kind, given: &DataType) -> Option<DataType> {
    use DataType as T;
    if let T::Dictionary(_, values) = given {
        return canonical(kind, values);
    }
    let is_text = matches!(given, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    match kind {
        Kind::Index if is_text => Some(T::Utf8View),
        Kind::Index if *given == T::UInt64 => Some(T::UInt64),
        Kind::Index | Kind::Int | Kind::Resolution => {
            (given.is_null() || given.is_integer()).then_some(T::Int64)
        }
        Kind::Float => (given.is_null() || given.is_numeric()).then_some(T::Float64),
        Kind::Text | Kind::Length | Kind::Area | Kind::Containment => {
            (given.is_null() || is_text).then_some(T::Utf8View)
        }
        Kind::Indexes => match given {
            T::Null => Some(T::new_list(T::Int64, true)),
            T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) => {
                canonical(Kind::Index, item.data_type()).map(|item| T::new_list(item, true))
            }
            _ => None,
        },
    }
}

/// One argument of a batch.
pub(super) struct Column {
    values: Values,
    constant: bool,
}

enum Values {
    Int(Int64Array),
    UInt(UInt64Array),
    Float(Float64Array),
    Text(StringViewArray),
    List(ListArray),
}

impl Column {
    /// Reads an array as its kind's type; a constant is an array of one value.
    pub(super) fn new(kind: Kind, array: &ArrayRef, constant: bool) -> Result<Self, ArrowError> {
        let Some(target) = canonical(kind, array.data_type()) else {
            return Err(ArrowError::CastError(format!("{} cannot be read as {kind:?}", array.data_type())));
        };
        let array = cast(array, &target)?;
        let values = match target {
            DataType::Int64 => Values::Int(array.as_primitive::<Int64Type>().clone()),
            DataType::UInt64 => Values::UInt(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float64 => Values::Float(array.as_primitive::<Float64Type>().clone()),
            DataType::Utf8View => Values::Text(array.as_string_view().clone()),
            _ => Values::List(array.as_list::<i32>().clone()),
        };
        Ok(Self { values, constant })
    }

    /// All rows' numbers; none of a constant.
    pub(super) fn floats(&self) -> Option<&Float64Array> {
        match &self.values {
            Values::Float(values) if !self.constant => Some(values),
            _ => None,
        }
    }

    /// All rows' whole numbers; none of a constant.
    pub(super) fn ints(&self) -> Option<&Int64Array> {
        match &self.values {
            Values::Int(values) if !self.constant => Some(values),
            _ => None,
        }
    }

    /// The resolution that all rows have in common.
    pub(super) fn as_resolution(&self) -> Option<Resolution> {
        match &self.values {
            Values::Int(values) if self.constant && values.is_valid(0) => resolution(values.value(0)),
            _ => None,
        }
    }
}

impl Values {
    fn of_items(array: &ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Int64 => array.as_primitive_opt::<Int64Type>().cloned().map(Self::Int),
            DataType::UInt64 => array.as_primitive_opt::<UInt64Type>().cloned().map(Self::UInt),
            _ => array.as_string_view_opt().cloned().map(Self::Text),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Int(values) => values.is_null(row),
            Self::UInt(values) => values.is_null(row),
            Self::Float(values) => values.is_null(row),
            Self::Text(values) => values.is_null(row),
            Self::List(values) => values.is_null(row),
        }
    }

    /// The bits of an index; none where the value has none.
    fn bits(&self, row: usize) -> Option<u64> {
        match self {
            Self::Int(values) => u64::try_from(values.value(row)).ok(),
            Self::UInt(values) => Some(values.value(row)),
            Self::Text(values) => hexadecimal(values.value(row)),
            Self::Float(_) | Self::List(_) => None,
        }
    }
}

/// The bits of a hexadecimal text, as H3 prints them.
pub(super) fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        u64::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

/// One row of the arguments, read by their position.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    columns: &'a [Column],
    row: usize,
}

impl<'a> Row<'a> {
    pub(super) fn new(columns: &'a [Column], row: usize) -> Self {
        Self { columns, row }
    }

    /// The values of an argument and the place of this row in them; a stop where it is null.
    fn at(self, arg: usize) -> Result<(&'a Values, usize), Stop> {
        let column = self.columns.get(arg).ok_or(Stop::Null)?;
        let row = if column.constant { 0 } else { self.row };
        if column.values.is_null(row) { Err(Stop::Null) } else { Ok((&column.values, row)) }
    }

    /// The bits of an index, whether or not they mean anything; none for a text that has none.
    pub(super) fn bits(self, arg: usize) -> Result<Option<u64>, Stop> {
        let (values, row) = self.at(arg)?;
        Ok(values.bits(row))
    }

    /// A valid cell, edge or vertex.
    pub(super) fn index<T: TryFrom<u64>>(self, arg: usize) -> Result<T, Stop> {
        self.bits(arg)?.and_then(|bits| T::try_from(bits).ok()).ok_or(Stop::Null)
    }

    /// A valid cell.
    pub(super) fn cell(self, arg: usize) -> Result<CellIndex, Stop> {
        self.index(arg)
    }

    /// The valid cells of a list; one invalid cell makes the whole list invalid.
    pub(super) fn cells(self, arg: usize) -> Result<Vec<CellIndex>, Stop> {
        let (Values::List(lists), row) = self.at(arg)? else { return Err(Stop::Null) };
        let list = lists.value(row);
        let items = Values::of_items(&list).ok_or(Stop::Null)?;
        (0..list.len())
            .filter(|&item| !items.is_null(item))
            .map(|item| items.bits(item).and_then(|bits| CellIndex::try_from(bits).ok()).ok_or(Stop::Null))
            .collect()
    }

    pub(super) fn int(self, arg: usize) -> Result<i64, Stop> {
        match self.at(arg)? {
            (Values::Int(values), row) => Ok(values.value(row)),
            _ => Err(Stop::Null),
        }
    }

    pub(super) fn resolution(self, arg: usize) -> Result<Resolution, Stop> {
        resolution(self.int(arg)?).ok_or(Stop::Null)
    }

    /// A distance in cells; a negative one is no distance.
    pub(super) fn k(self, arg: usize) -> Result<u32, Stop> {
        let k = u64::try_from(self.int(arg)?)?;
        u32::try_from(k).map_err(|_| Stop::TooMany(k))
    }

    /// A finite number.
    pub(super) fn float(self, arg: usize) -> Result<f64, Stop> {
        match self.at(arg)? {
            (Values::Float(values), row) if values.value(row).is_finite() => Ok(values.value(row)),
            _ => Err(Stop::Null),
        }
    }

    pub(super) fn text(self, arg: usize) -> Result<&'a str, Stop> {
        match self.at(arg)? {
            (Values::Text(values), row) => Ok(values.value(row)),
            _ => Err(Stop::Null),
        }
    }

    pub(super) fn length(self, arg: usize) -> Result<Unit, Stop> {
        Unit::of_length(self.text(arg)?).ok_or(Stop::Null)
    }

    pub(super) fn area(self, arg: usize) -> Result<Unit, Stop> {
        Unit::of_area(self.text(arg)?).ok_or(Stop::Null)
    }
}

/// The resolution that a number names.
pub(super) fn resolution(number: i64) -> Option<Resolution> {
    Resolution::try_from(u8::try_from(number).ok()?).ok()
}
