-- ---
-- table: unknown_column
-- refresh: live
-- ---
SELECT _cell AS cell, avg(sped_kmh) AS speed
FROM traffic.speed
GROUP BY 1
