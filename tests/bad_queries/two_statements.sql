-- ---
-- table: two_statements
-- refresh: live
-- ---
SELECT 1 AS n;
SELECT 2 AS n
