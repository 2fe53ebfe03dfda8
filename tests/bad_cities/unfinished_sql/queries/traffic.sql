-- ---
-- layer: traffic
-- key: cell
-- resolution: 8
-- ---
SELECT _cell AS cell, avg(speed_kmh) AS speed_kmh
FROM traffic.speed
GROUP BY
