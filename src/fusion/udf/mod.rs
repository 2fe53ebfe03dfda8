//! SQL functions of cityloom's own: H3 v4 cells; the `ST_` functions come ready-made from geodatafusion.

mod h3;

use datafusion::prelude::SessionContext;

/// Makes every `h3_…` and `st_…` function callable in the context's SQL.
pub fn register(ctx: &SessionContext) {
    for function in h3::functions() {
        ctx.register_udf(function);
    }
    geodatafusion::register(ctx);
}
