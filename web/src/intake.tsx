/** The door of the intake page. */
import './theme/tokens.css';
import './theme/both.css';
import './theme/intake.css';
import './theme/intake/tables.css';
import './theme/intake/where.css';
import { render } from 'preact';
import { Intake } from './pages/intake';

const root = document.getElementById('intake');
if (root !== null) render(<Intake />, root);
