-- ---
-- layer: traffic
-- key: cell
-- resolution: 8
-- ---
SELECT h3_cell_to_parent(_cell, 8) AS cell, avg(speed_kph) AS speed_kmh
FROM traffic.speed
GROUP BY 1
