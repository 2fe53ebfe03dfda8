-- ---
-- table: risk_weights
-- title: { en: Weights of the risk index, zh: 风险指数权重 }
-- refresh: manual
-- tests: [ { unique: [theme] }, { range: { weight: [0, 100] } } ]
-- owner: command
-- doc: How much each theme counts in a cell's risk and at which value it is full; the weights sum to 100
-- ---
SELECT theme, weight, full_at
FROM (VALUES
  ('traffic', 30.0, 60.0),
  ('incidents', 20.0, 8.0),
  ('fires', 20.0, 2.0),
  ('air', 15.0, 115.0),
  ('services', 10.0, 6.0),
  ('crowd', 5.0, 8000.0)
) AS w (theme, weight, full_at)
