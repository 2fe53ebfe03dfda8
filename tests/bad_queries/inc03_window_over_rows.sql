-- ---
-- table: inc03_window_over_rows
-- refresh: live
-- ---
SELECT cell, max(rank) AS n
FROM (
  SELECT _cell AS cell, row_number() OVER (PARTITION BY _cell ORDER BY _event_time) AS rank
  FROM traffic.speed
)
GROUP BY 1
