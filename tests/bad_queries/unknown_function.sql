-- ---
-- table: unknown_function
-- refresh: live
-- ---
SELECT h3_cell_to_parents(_cell, 8) AS cell
FROM traffic.speed
