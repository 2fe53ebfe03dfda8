-- ---
-- table: inc02_the_other_side_is_kept
-- refresh: live
-- ---
SELECT a.code, count(s._cell) AS n
FROM ref.areas a
LEFT JOIN traffic.speed s ON s._area = a.code
GROUP BY 1
