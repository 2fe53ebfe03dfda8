-- ---
-- table: not_grouped
-- refresh: live
-- ---
SELECT _cell AS cell, speed_kmh, count(*) AS n
FROM traffic.speed
GROUP BY _cell
