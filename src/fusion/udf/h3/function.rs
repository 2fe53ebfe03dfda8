//! A [`Spec`] as a function of DataFusion: its types, its plan-time checks and the loop over a batch.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use super::column::{Column, Row, canonical, resolution};
use super::output::{Output, data_type};
use super::region::containment;
use super::spec::{Arg, Kind, Spec, Stop, Unit};
use super::value::{MAX_CELLS_PER_BATCH, MAX_CELLS_PER_ROW, Value};
use super::whole;

const SECTION: DocSection = DocSection {
    include: true,
    label: "H3 Functions",
    description: Some("Cells of the H3 grid, version 4."),
};

/// One row of the tables, callable in SQL.
#[derive(Debug)]
pub(super) struct Function {
    spec: &'static Spec,
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl Function {
    pub(super) fn new(spec: &'static Spec) -> Self {
        let aliases = spec.aliases.iter().map(ToString::to_string).collect();
        Self { spec, aliases, signature: signature(spec), documentation: documentation(spec) }
    }

    /// Refuses a call whose number or types of arguments do not fit; says whether its first index is text.
    fn check_types(&self, given: &[&DataType]) -> Result<bool> {
        let (name, args) = (self.spec.name, self.spec.args);
        if given.len() != args.len() {
            return plan_err!("{} takes {} arguments, got {}", call(self.spec), args.len(), given.len());
        }
        let mut text = None;
        for (arg, given) in args.iter().zip(given) {
            let Some(read_as) = canonical(arg.kind, given) else {
                return plan_err!("{name}: `{}` cannot be {given}, it is: {}", arg.name, arg.about);
            };
            if matches!(arg.kind, Kind::Index | Kind::Indexes) {
                let is_text = read_as == DataType::Utf8View
                    || matches!(&read_as, DataType::List(item) if *item.data_type() == DataType::Utf8View);
                text.get_or_insert(is_text);
            }
        }
        Ok(text.unwrap_or(false))
    }

    /// The value of one row; too many cells, in the row or in the batch so far, end the query.
    fn row(&self, row: &Row<'_>, made: &mut u64) -> Result<Value> {
        let (name, way) = (self.spec.name, "use a coarser resolution, a smaller distance or smaller areas");
        match (self.spec.eval)(row) {
            Ok(value) => {
                *made += value.cells();
                if *made > MAX_CELLS_PER_BATCH {
                    return exec_err!(
                        "{name}: more than {MAX_CELLS_PER_BATCH} cells in one batch of rows; {way}"
                    );
                }
                Ok(value)
            }
            Err(Stop::Null) => Ok(Value::Null),
            Err(Stop::TooMany(cells)) => {
                exec_err!(
                    "{name}: one row asks for {cells} cells, at most {MAX_CELLS_PER_ROW} are made; {way}"
                )
            }
        }
    }

    fn columns(&self, args: &[ColumnarValue]) -> Result<Vec<Column>> {
        let mut columns = Vec::with_capacity(args.len());
        for (arg, value) in self.spec.args.iter().zip(args) {
            let (array, constant): (ArrayRef, bool) = match value {
                ColumnarValue::Array(array) => (Arc::clone(array), false),
                ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
            };
            columns.push(Column::new(arg.kind, &array, constant)?);
        }
        Ok(columns)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let text = self.check_types(&given.iter().collect::<Vec<_>>())?;
        Ok(data_type(self.spec.returns, text))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let given = args.arg_fields.iter().map(|field| field.data_type()).collect::<Vec<_>>();
        let text = self.check_types(&given)?;
        for (arg, value) in self.spec.args.iter().zip(args.scalar_arguments) {
            if let Some(value) = value {
                check_constant(self.spec.name, arg, value)?;
            }
        }
        Ok(Arc::new(Field::new(self.spec.name, data_type(self.spec.returns, text), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = args.args.iter().map(ColumnarValue::data_type).collect::<Vec<_>>();
        let text = self.check_types(&given.iter().collect::<Vec<_>>())?;
        let columns = self.columns(&args.args)?;
        let constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        if let Some(array) = whole::compute(self.spec.name, &columns) {
            return Ok(ColumnarValue::Array(array));
        }
        let mut output = Output::new(self.spec.returns, text, rows);
        let mut made = 0;
        for row in 0..rows {
            output.push(self.row(&Row::new(&columns, row), &mut made)?);
        }
        let array = output.finish();
        if constant {
            return ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(array))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// Any types pass here, because [`Function::check_types`] says better what is wrong; the exact ones beside them
/// are what `SHOW FUNCTIONS` prints.
fn signature(spec: &Spec) -> Signature {
    if spec.args.is_empty() {
        return Signature::nullary(Volatility::Immutable);
    }
    let shown = spec.args.iter().map(|arg| shown_type(arg.kind)).collect();
    Signature::one_of(vec![TypeSignature::VariadicAny, TypeSignature::Exact(shown)], Volatility::Immutable)
}

fn shown_type(kind: Kind) -> DataType {
    match kind {
        Kind::Index | Kind::Int | Kind::Resolution => DataType::Int64,
        Kind::Indexes => DataType::new_list(DataType::Int64, true),
        Kind::Float => DataType::Float64,
        Kind::Text | Kind::Length | Kind::Area | Kind::Containment => DataType::Utf8,
    }
}

fn documentation(spec: &Spec) -> Documentation {
    let example = format!("SELECT {};", spec.example);
    let mut builder = Documentation::builder(SECTION, spec.about, call(spec)).with_sql_example(example);
    for arg in spec.args {
        builder = builder.with_argument(arg.name, arg.about);
    }
    for alias in spec.aliases {
        builder = builder.with_alternative_syntax(*alias);
    }
    builder.build()
}

fn call(spec: &Spec) -> String {
    let names = spec.args.iter().map(|arg| arg.name).collect::<Vec<_>>();
    format!("{}({})", spec.name, names.join(", "))
}

/// Refuses a constant that would make every row null by mistake.
fn check_constant(name: &str, arg: &Arg, value: &ScalarValue) -> Result<()> {
    if value.is_null() {
        return Ok(());
    }
    let right = match arg.kind {
        Kind::Resolution => match value.cast_to(&DataType::Int64)? {
            ScalarValue::Int64(Some(number)) => resolution(number).is_some(),
            _ => false,
        },
        Kind::Length => value.try_as_str().flatten().is_none_or(|text| Unit::of_length(text).is_some()),
        Kind::Area => value.try_as_str().flatten().is_none_or(|text| Unit::of_area(text).is_some()),
        Kind::Containment => value.try_as_str().flatten().is_none_or(|text| containment(text).is_some()),
        Kind::Index | Kind::Indexes | Kind::Int | Kind::Float | Kind::Text => true,
    };
    if right { Ok(()) } else { plan_err!("{name}: `{}` cannot be {value}, it is: {}", arg.name, arg.about) }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::super::traversal;
    use super::*;

    #[test]
    fn a_batch_of_modest_rows_may_not_add_up_to_too_many_cells() {
        let spec = traversal::FUNCTIONS.iter().find(|spec| spec.name == "h3_grid_disk").unwrap();
        let function = Function::new(spec);
        let argument = |kind, number| {
            Column::new(kind, &(Arc::new(Int64Array::from(vec![number])) as ArrayRef), true).unwrap()
        };
        let columns = [argument(Kind::Index, 599_686_042_433_355_775), argument(Kind::Int, 1)];
        let mut made = MAX_CELLS_PER_BATCH - 7;
        assert!(function.row(&Row::new(&columns, 0), &mut made).is_ok());
        let refusal = function.row(&Row::new(&columns, 0), &mut made).unwrap_err().to_string();
        assert!(
            refusal.contains("h3_grid_disk: more than 20000000 cells in one batch of rows; use"),
            "{refusal}"
        );
    }
}
