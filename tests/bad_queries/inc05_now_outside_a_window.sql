-- ---
-- table: inc05_now_outside_a_window
-- refresh: live
-- ---
SELECT _cell AS cell, max(now() - _event_time) AS age
FROM traffic.speed
GROUP BY 1
