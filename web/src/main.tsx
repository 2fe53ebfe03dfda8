/** The door of the page. */
import './theme/tokens.css';
import './theme/wall.css';
import './theme/panels.css';
import { render } from 'preact';
import { Wall } from './pages/wall';
import { fitText } from './theme/fit-text';

fitText();
const root = document.getElementById('wall');
if (root !== null) render(<Wall />, root);
