-- ---
-- table: inc11_raw_rows
-- refresh: live
-- ---
SELECT _cell AS cell, speed_kmh
FROM traffic.speed
WHERE speed_kmh < 15
