-- ---
-- kpi: kpi_risk_cells
-- title: { en: Cells at level 3 or 4, zh: 高风险网格数 }
-- unit: "1"
-- format: "0"
-- refresh: 5s
-- tests: [ { not_null: [value] } ]
-- owner: command
-- doc: Cells of the map whose risk asks for action
-- ---
SELECT count(*) AS value
FROM map
WHERE level >= 3
