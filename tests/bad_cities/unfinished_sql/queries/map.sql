-- ---
-- layer: map
-- key: cell
-- resolution: 8
-- ---
SELECT cell, speed_kmh FROM traffic
