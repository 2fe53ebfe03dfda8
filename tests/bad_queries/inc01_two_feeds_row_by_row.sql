-- ---
-- table: inc01_two_feeds_row_by_row
-- refresh: live
-- ---
SELECT s._cell AS cell, count(*) AS n
FROM traffic.speed s
JOIN police.incidents i ON i._cell = s._cell
GROUP BY 1
