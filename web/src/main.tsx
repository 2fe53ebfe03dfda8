/** The door of the page. */
import './theme/tokens.css';
import './theme/both.css';
import './theme/wall.css';
import './theme/wall/panels.css';
import './theme/wall/kpis.css';
import './theme/wall/ranking.css';
import './theme/wall/feeds.css';
import './theme/wall/tasks.css';
import './theme/wall/sign-in.css';
import './theme/wall/stage.css';
import { render } from 'preact';
import { Wall } from './pages/wall';
import { fitText } from './theme/fit-text';

fitText();
const root = document.getElementById('wall');
if (root !== null) render(<Wall />, root);
