-- ---
-- table: inc07_median_of_everything
-- refresh: live
-- ---
SELECT _cell AS cell,
  median(speed_kmh) AS middle
FROM traffic.speed
GROUP BY 1
